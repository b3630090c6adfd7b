use vgpu_manifest::ui::ByteSize;

use super::patience::Brought;
use super::{FetchError, Fetcher, MirrorError};
use crate::net::{Client, Retry};
use crate::types::HttpUrl;

impl Fetcher<'_> {
    /// Fetches a small document of at most `cap` bytes. It is not cached, because the next answer
    /// may differ.
    pub(crate) fn document(
        &self,
        name: &str,
        url: &HttpUrl,
        cap: ByteSize,
    ) -> Result<Vec<u8>, FetchError> {
        let client = self.client.ok_or_else(|| FetchError::Offline { name: name.to_owned() })?;
        let mut waits = self.patience.begin();
        loop {
            let error = match read(client, url, cap) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let wait = match &error {
                MirrorError::Net(error) => match error.retry() {
                    Retry::Later(not_before) => waits.after(Brought::default(), not_before),
                    Retry::FromStart | Retry::Never => None,
                },
                _ => None,
            };
            let Some(wait) = wait else {
                return Err(FetchError::Failed { name: name.to_owned(), failures: vec![error] });
            };
            self.ui.note(format_args!("{name}: {error}; trying again"));
            std::thread::sleep(wait);
        }
    }
}

fn read(client: &Client, url: &HttpUrl, cap: ByteSize) -> Result<Vec<u8>, MirrorError> {
    let mut reply = client.get(url, None)?;
    let (mut bytes, mut buf) = (Vec::new(), [0; 16 << 10]);
    loop {
        match reply.read(&mut buf)? {
            0 => return Ok(bytes),
            n if (bytes.len() + n) as u64 > cap.bytes() => {
                return Err(MirrorError::too_much(url, cap.bytes()));
            }
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
}
