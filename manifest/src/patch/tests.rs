use super::*;
use crate::Digest;

fn parse(text: &[u8]) -> Result<Patch, PatchFault> {
    Patch::parse(text).map_err(|error| error.fault)
}

/// Applies the only diff of `patch` to `old`.
fn apply(patch: &[u8], old: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let patch = parse(patch).unwrap();
    let [file] = patch.files() else { panic!("one file") };
    let (mut new, mut reader) = (Vec::new(), old.unwrap_or_default());
    let reader: Option<&mut dyn std::io::Read> = old.map(|_| &mut reader as _);
    let applied = file.apply(reader, &mut new).map_err(|error| error.fault.to_string())?;
    assert_eq!(applied.before, old.map(Digest::of));
    let after = (file.change() != Change::Deleted).then(|| Digest::of(&new));
    assert_eq!(applied.after, after);
    Ok(new)
}

const BINARY: &[u8] = b"ONLY for 17.5 GRID driver, says the \x00 preamble\n\
    diff -a -u old/blob new/blob\n\
    --- ./kernel/blob.o_binary\t2024-01-01 00:00:00.000000000 +0000\n\
    +++ kernel/blob.o_binary\t2024-01-02 00:00:00.000000000 +0000\n\
    @@ -2,3 +2,3 @@\n b\xff\n-\x00c\x00\n+\x00d\x00\n e\n";

#[test]
fn bytes_are_bytes() {
    let patch = parse(BINARY).unwrap();
    assert_eq!(patch.files()[0].path().as_str(), "kernel/blob.o_binary");
    assert_eq!(patch.files()[0].change(), Change::Modified);
    let new = apply(BINARY, Some(b"\x00\x01a\nb\xff\n\x00c\x00\ne\nf\x00g"));
    assert_eq!(new.unwrap(), b"\x00\x01a\nb\xff\n\x00d\x00\ne\nf\x00g");
}

#[test]
fn every_byte_of_context_counts_and_only_at_its_line() {
    let cases: [(&[u8], &str); 5] = [
        (b"a\nb\xfe\n\x00c\x00\ne\n", "line 2 of the file does not match hunk 1"),
        (b"a\nb\xff\n\x00x\x00\ne\n", "line 3 of the file"),
        // One line further down, where GNU patch would look as well.
        (b"a\na\nb\xff\n\x00c\x00\ne\n", "line 2 of the file"),
        (b"a\nb\xff\n\x00c", "ends at line 2, before the end of hunk 1"),
        (b"a", "ends at line 0, before the end of hunk 1"),
    ];
    for (old, word) in cases {
        let error = apply(BINARY, Some(old)).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(apply(BINARY, None).unwrap_err(), "there is no such file");
}

#[test]
fn the_end_of_a_file_is_part_of_it() {
    let closes = b"--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n-y\n\\ No newline at end of file\n+y\n";
    assert_eq!(apply(closes, Some(b"x\ny")).unwrap(), b"x\ny\n");
    assert!(apply(closes, Some(b"x\ny\n")).unwrap_err().contains("continues after hunk"));
    let opens = b"--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n-y\n+y\n\\ Kein Zeilenumbruch am Ende\n";
    assert_eq!(apply(opens, Some(b"x\ny\n")).unwrap(), b"x\ny");
    assert!(apply(opens, Some(b"x\ny\nz\n")).unwrap_err().contains("continues after hunk"));
    // Less context after than before: diff writes that only at the end of a file.
    let last = b"--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n";
    assert_eq!(apply(last, Some(b"x\ny\n")).unwrap(), b"x\nz\n");
    assert!(apply(last, Some(b"x\ny\nmore\n")).unwrap_err().contains("continues after hunk"));
}

#[test]
fn files_come_and_go() {
    let new =
        b"--- /dev/null\n+++ ./sub/new\n@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n";
    assert_eq!(apply(new, None).unwrap(), b"a\nb");
    assert_eq!(apply(new, Some(b"")).unwrap(), b"a\nb");
    assert!(apply(new, Some(b"x")).unwrap_err().contains("exists already"));
    // A leading line without context is a different case.
    let front = b"--- a\n+++ a\n@@ -0,0 +1 @@\n+a\n@@ -2 +3 @@\n-c\n+d\n";
    assert_eq!(apply(front, Some(b"b\nc\n")).unwrap(), b"a\nb\nd\n");

    let epoch = "1970-01-01 01:00:00.000000000 +0100";
    let gone = format!("--- a\n+++ a\t{epoch}\n@@ -1 +0,0 @@\n-x\n");
    assert_eq!(parse(gone.as_bytes()).unwrap().files()[0].change(), Change::Deleted);
    assert_eq!(apply(gone.as_bytes(), Some(b"x\n")).unwrap(), b"");
    assert!(apply(gone.as_bytes(), Some(b"x\ny\n")).unwrap_err().contains("continues after hunk"));
    let emptied = gone.replace("1970", "1971");
    assert_eq!(parse(emptied.as_bytes()).unwrap().files()[0].change(), Change::Modified);
    assert_eq!(apply(emptied.as_bytes(), Some(b"x\n")).unwrap(), b"");
}

#[test]
fn several_files_and_prose_between_them() {
    let text = b"prose\n--- a line of dashes\n\n--- a.orig\n+++ a\n@@ -1 +1 @@\n-x\n+y\n-- \n2.39\n\
        Only in new: z\n--- ././b/c\n+++ b/c\n@@ -1 +1 @@ \x00 a function\n-x\n+y\n@@ -9 +9 @@\n-x\n+y\n";
    let patch = parse(text).unwrap();
    let paths: Vec<_> = patch.files().iter().map(|file| file.path().as_str()).collect();
    assert_eq!(paths, ["a", "b/c"]);
    assert!(patch.file(&"b/c".parse().unwrap()).is_some());
    assert!(patch.file(&"c".parse().unwrap()).is_none());
}

#[test]
fn what_is_not_a_patch_of_ours_is_refused_by_its_own_name() {
    let names = "--- a\n+++ a\n";
    let hunk = "@@ -1 +1 @@\n-x\n+y\n";
    let path: TreePath = "a".parse().unwrap();
    let git = |line| format!("diff --git a a\n{line}{names}{hunk}");
    let cases: [(String, PatchFault); 28] = [
        (String::new(), PatchFault::Empty),
        ("prose\n".to_owned(), PatchFault::Empty),
        (git("old mode 100644\nnew mode 100755\n"), PatchFault::Kind("a change of a file mode")),
        (git("new file mode 100644\n"), PatchFault::Kind("a change of a file mode")),
        (git("rename from a\n"), PatchFault::Kind("a renamed or copied file")),
        (git("copy to a\n"), PatchFault::Kind("a renamed or copied file")),
        (git("index 1..2 120000\n"), PatchFault::Kind("a diff of a link or a submodule")),
        ("GIT binary patch\n".to_owned(), PatchFault::Kind("a binary patch of git")),
        ("*** a\n--- a\n***************\n".to_owned(), PatchFault::Kind("a context diff")),
        (
            "Binary files a and b differ\n".to_owned(),
            PatchFault::Kind("a diff that leaves binary files out"),
        ),
        (format!("--- ../a\n+++ a\n{hunk}"), PatchFault::Name("../a".to_owned())),
        (format!("--- a\n+++ /etc/a\n{hunk}"), PatchFault::Name("/etc/a".to_owned())),
        (format!("--- a b\n+++ a\n{hunk}"), PatchFault::Name("a b".to_owned())),
        (format!("--- a\r\n+++ a\r\n{hunk}"), PatchFault::Converted),
        (
            format!("--- a/x\n+++ b/x\n{hunk}"),
            PatchFault::Names("a/x".parse().unwrap(), "b/x".parse().unwrap()),
        ),
        (format!("--- /dev/null\n+++ a\n{hunk}"), PatchFault::Null),
        (format!("--- a\n+++ /dev/null\n{hunk}"), PatchFault::Null),
        (format!("--- /dev/null\n+++ /dev/null\n{hunk}"), PatchFault::Null),
        (names.to_owned(), PatchFault::NoHunk),
        (hunk.to_owned(), PatchFault::Stray),
        (format!("> {hunk}"), PatchFault::Stray),
        (format!("{names}{hunk}{names}{hunk}"), PatchFault::Twice(path)),
        (format!("{names}@@ -1 +1\n-x\n+y\n"), PatchFault::HunkHeader),
        (format!("{names}@@ -0 +1 @@\n-x\n+y\n"), PatchFault::HunkHeader),
        (format!("{names}@@ -1 +1 @@\n-x\n?y\n"), PatchFault::HunkLine),
        (format!("{names}@@ -1 +1 @@\n-x\n-y\n"), PatchFault::Count),
        (format!("{names}@@ -1 +1 @@\n x\n"), PatchFault::NoChange),
        (format!("{names}@@ -1,2 +1 @@\n-x\n+y\n"), PatchFault::Truncated),
    ];
    for (text, fault) in cases {
        assert_eq!(parse(text.as_bytes()).unwrap_err(), fault, "{text}");
    }
}

#[test]
fn harmless_damage_has_one_reading() {
    let names = "--- ./a\n+++ ./a\n";
    let whole = "@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n \n \n";
    let cases = [
        format!("{names}{whole}"),
        format!("diff --git ./a ./b\nindex 12..34 100755\n{names}{whole}"),
        format!("{names}{whole} \n"),
        format!("{names}{whole}\n \t\n-- \n2.39"),
        format!("{names}{}", whole.strip_suffix('\n').unwrap()),
        format!("{names}{}", whole.strip_suffix("\n \n").unwrap()),
        format!("{names}{}", whole.strip_suffix(" \n").unwrap()),
        format!("{names}{}", whole.strip_suffix(" \n \n").unwrap()),
        format!("{names}{}", whole.replace("\n \n", "\n\n")),
    ];
    for patch in cases {
        let new = apply(patch.as_bytes(), Some(b"1\n2\n3\n\n\n4\n"));
        assert_eq!(new.unwrap(), b"1\nx\n3\n\n\n4\n", "{patch:?}");
    }
    // GNU patch loses the last line, which its fuzz forgives unless context is missing there too.
    let line = |lead: &str, at| format!("{names}@@ -{at},4 +{at},4 @@\n{lead}-3\n+x\n 4\n 5");
    let new = apply(line(" 2\n", 2).as_bytes(), Some(b"1\n2\n3\n4\n5\n"));
    assert_eq!(new.unwrap(), b"1\n2\nx\n4\n5\n");
    let end = format!("{names}@@ -1,5 +1,5 @@\n 0\n 1\n 2\n-3\n+x\n 4");
    assert_eq!(parse(end.as_bytes()).unwrap_err(), PatchFault::Truncated);
    let tab = format!("{names}@@ -1,2 +1,2 @@\n-2\n+x\n\t3");
    assert_eq!(parse(tab.as_bytes()).unwrap_err(), PatchFault::Truncated);
    assert_eq!(apply(format!("{tab}\n").as_bytes(), Some(b"2\n\t3\n")).unwrap(), b"x\n\t3\n");

    // Four lines are too many to assume, a change is never assumed, and blank lines end a file's
    // hunks, so that the next hunk has no file.
    let four = format!("{names}@@ -1,5 +1,5 @@\n-2\n+x\n");
    assert_eq!(parse(four.as_bytes()).unwrap_err(), PatchFault::Truncated);
    let change = format!("{names}@@ -1,3 +1,4 @@\n 1\n-2\n+x\n 3\n");
    assert_eq!(parse(change.as_bytes()).unwrap_err(), PatchFault::Truncated);
    let stray = format!("{names}@@ -1 +1 @@\n-1\n+x\n \n@@ -3 +3 @@\n-3\n+y\n");
    assert_eq!(parse(stray.as_bytes()).unwrap_err(), PatchFault::Stray);
}

#[test]
fn hunks_that_contradict_each_other_are_refused() {
    let names = "--- a\n+++ a\n";
    let open = "\\ No newline at end of file\n";
    let cases = [
        ("@@ -3 +3 @@\n-x\n+y\n@@ -2 +2 @@\n-x\n+y\n".to_owned(), PatchFault::Order),
        ("@@ -3,2 +3 @@\n-x\n-x\n+y\n@@ -4 +3 @@\n-x\n+y\n".to_owned(), PatchFault::Order),
        (format!("@@ -1 +1 @@\n-x\n{open}+y\n@@ -2 +2 @@\n-x\n+y\n"), PatchFault::AfterEnd),
        (format!("@@ -1,2 +1 @@\n-x\n{open}-x\n+y\n"), PatchFault::AfterEnd),
        (format!("@@ -1 +1 @@\n{open}-x\n+y\n"), PatchFault::HunkLine),
        ("@@ -1 +1 @@\n-x\n+y\n\\\n".to_owned(), PatchFault::HunkLine),
        ("@@ -1,2 +1 @@\n-x\n y\n\\odd\n".to_owned(), PatchFault::HunkLine),
        (format!("@@ -1 +1 @@\n-x\n+y\n{open}{open}"), PatchFault::Count),
        ("@@ -1 +1 @@\n-x\n+y\n z\n".to_owned(), PatchFault::Count),
        ("@@ -1 +1 @@\n-x\n+y".to_owned(), PatchFault::Truncated),
        ("@@ -1000000000000 +1 @@\n-x\n+y\n".to_owned(), PatchFault::HunkHeader),
    ];
    for (hunks, fault) in cases {
        assert_eq!(parse(format!("{names}{hunks}").as_bytes()).unwrap_err(), fault, "{hunks}");
    }
}

#[test]
fn a_fault_is_told_by_its_line() {
    let error = Patch::parse(b"prose\n--- a\n+++ a\n@@ -1,2 +1,2 @@\n x\n?y\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 6 of the patch: a line of a hunk must begin with a blank, `-`, `+` or `\\ `"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(bytes: Vec<u8>, glue in "(--- a\n|\\+\\+\\+ a\n|@@ -[0-9],[0-9] \\+[0-9] @@\n|[-+ ]x\n|\\\\ \n){0,12}") {
        let _ = Patch::parse(&[&bytes, &b"\n"[..], glue.as_bytes()].concat());
        let _ = Patch::parse(glue.as_bytes()).map(|patch| {
            for file in patch.files() {
                let _ = file.apply(Some(&mut &*bytes), &mut Vec::new());
            }
        });
    }
}

#[test]
fn a_path_stays_in_its_tree_and_has_one_spelling() {
    for good in ["nvidia-vgpud", "kernel/nvidia/nv-kernel.o_binary", ".manifest", "a..b/c"] {
        assert!(good.parse::<TreePath>().is_ok(), "{good}");
    }
    let long = "a/".repeat(600);
    for bad in [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/../b",
        "a/..",
        ".",
        "./a",
        "a//b",
        "a/",
        "a b",
        "a\tb",
        "a\nb",
        "a\\b",
        "\"a\"",
        "a\0",
        "é",
        &long,
    ] {
        assert!(bad.parse::<TreePath>().is_err(), "{bad:?}");
    }
}
