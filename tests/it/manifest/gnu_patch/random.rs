/// Random numbers from a fixed seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end.max(1)
    }

    /// Returns a file before and after a change, sometimes created or deleted.
    pub(crate) fn pair(&mut self) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let (old, new) = self.two_files();
        match self.below(12) {
            0 => (None, Some(new).filter(|new| !new.is_empty())),
            1 => (Some(old).filter(|old| !old.is_empty()), None),
            _ => (Some(old), Some(new)),
        }
    }

    /// Returns a file, and a version of it with a few changed lines.
    pub(crate) fn two_files(&mut self) -> (Vec<u8>, Vec<u8>) {
        let count = 1 + self.below(60);
        let old: Vec<Vec<u8>> = (0..count).map(|_| self.line()).collect();
        let mut new = old.clone();
        for _ in 0..=self.below(5) {
            let at = self.below(new.len() + 1);
            match self.below(3) {
                0 => new.insert(at, self.line()),
                1 if at < new.len() => drop(new.remove(at)),
                _ if at < new.len() => new[at] = self.line(),
                _ => {}
            }
        }
        (self.joined(&old), self.joined(&new))
    }

    /// Returns lines from a small set, so that many places look alike, and some of random bytes.
    fn line(&mut self) -> Vec<u8> {
        const COMMON: [&[u8]; 6] = [b"", b"\0", b"\xff\0", b"\r", b"-- x", b"+ \0"];
        let mut line = match self.below(3) {
            0 => COMMON[self.below(COMMON.len())].to_vec(),
            _ => (0..self.below(40)).map(|_| self.next().to_le_bytes()[0]).collect(),
        };
        line.retain(|byte| *byte != b'\n');
        line
    }

    /// Returns the lines as a file, sometimes without a final newline.
    fn joined(&mut self, lines: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = lines.join(&b'\n');
        if self.below(4) > 0 && !lines.is_empty() {
            bytes.push(b'\n');
        }
        bytes
    }

    /// Returns the bytes with one line changed, doubled or removed.
    pub(crate) fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let at = self.below(lines.len());
        match self.below(3) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            _ => lines[at].push(0),
        }
        lines.join(&b'\n')
    }

    /// Returns random bytes.
    pub(crate) fn blob(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8))
            .flat_map(|_| self.next().wrapping_mul(0x9e37_79b9).to_le_bytes())
            .take(len)
            .collect()
    }
}
