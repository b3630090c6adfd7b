//! Images, read back by the programs that people have.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the readers are programs of the test's own machine"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::ui::Date;

/// 74 characters, as NVIDIA calls its drivers for Windows.
const WINDOWS: &str = "539.19_grid_win10_win11_server2019_server2022_dch_64bit_international1.exe";

fn place(text: &str) -> Place {
    let (folder, name) = text
        .rsplit_once('/')
        .map_or((None, text), |(folder, name)| (Some(folder.parse().unwrap()), name));
    Place { folder, name: name.parse().unwrap() }
}

fn files() -> Vec<(Place, u64, Vec<u8>)> {
    let mut files = vec![
        ("README.txt", b"Read me.\n".to_vec()),
        ("linux/NVIDIA-Linux-x86_64-535.230.02-grid.run", vec![7; 5000]),
        ("linux/NVIDIA-Linux-x86_64-550.163.01-grid.run", vec![8; 2048]),
        ("linux/empty", Vec::new()),
    ];
    files.push((Box::leak(format!("windows/{WINDOWS}").into_boxed_str()), vec![9; 2049]));
    // So many that a directory takes several sectors.
    for i in 0..60 {
        let name = format!("many/a file with a name that is rather long, number {i:03}.txt");
        files.push((Box::leak(name.into_boxed_str()), format!("{i}\n").into_bytes()));
    }
    let files = files.into_iter();
    files.map(|(name, bytes)| (place(name), bytes.len() as u64, bytes)).collect()
}

fn image(files: &[(Place, u64, Vec<u8>)]) -> Vec<u8> {
    let label = "VGPU_GUEST".parse().unwrap();
    let image = Image::new(&label, Date(1_709_251_199), files).unwrap();
    let mut bytes = Vec::new();
    for part in image.parts {
        match part {
            Part::Bytes(more) => bytes.extend(more),
            Part::File { file, size } => {
                assert_eq!(file.len() as u64, size);
                bytes.extend(file);
                bytes.resize(bytes.len().next_multiple_of(usize::try_from(SECTOR).unwrap()), 0);
            }
        }
    }
    assert_eq!(bytes.len() as u64, image.size);
    bytes
}

fn run(program: &str, args: &[&str]) -> Option<Vec<u8>> {
    let command = Command::new(program).args(args).stdin(Stdio::null()).output();
    let Ok(output) = command else {
        let must = std::env::var_os("VGPU_NO_SKIP").is_some();
        assert!(!must, "needs {program}");
        eprintln!("skipped: needs {program}");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    Some(output.stdout)
}

#[test]
fn other_programs_find_every_file_under_its_long_name() {
    let files = files();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&image(&files)).unwrap();
    let path = file.path().to_str().unwrap();
    for (place, _, bytes) in &files {
        let long = format!("/{place};1");
        let Some(read) = run("isoinfo", &["-J", "-i", path, "-x", &long]) else { return };
        assert_eq!(read, *bytes, "{long}");
    }
    let listed = String::from_utf8(run("isoinfo", &["-f", "-i", path]).unwrap()).unwrap();
    assert_eq!(listed.lines().count(), files.len() + 3, "{listed}");
    for short in
        ["/README.TXT;1", "/LINUX/NVIDIA_L.RUN;1", "/LINUX/NVIDI001.RUN;1", "/LINUX/EMPTY.;1"]
    {
        assert!(listed.contains(short), "{listed}");
    }
    let about = String::from_utf8(run("isoinfo", &["-d", "-i", path]).unwrap()).unwrap();
    assert!(about.contains("Volume id: VGPU_GUEST"), "{about}");
    assert!(about.contains("Joliet with UCS level 3 found"), "{about}");
}

#[test]
fn a_second_reader_agrees() {
    let files = files();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.iso");
    std::fs::write(&path, image(&files)).unwrap();
    let out = format!("-o{}", dir.path().join("out").display());
    if run("7z", &["x", "-y", &out, path.to_str().unwrap()]).is_none() {
        return;
    }
    for (place, _, bytes) in &files {
        let read = std::fs::read(dir.path().join("out").join(place.to_string())).unwrap();
        assert_eq!(read, *bytes, "{place}");
    }
}

#[test]
fn the_same_files_give_the_same_bytes_in_whatever_order() {
    let mut files = files();
    let first = image(&files);
    files.reverse();
    assert!(first == image(&files));
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let label: VolumeLabel = "A".parse().unwrap();
    let error = |files: &[(Place, u64, ())]| {
        Image::new(&label, Date(0), files).map(drop).unwrap_err().to_string()
    };
    assert!(error(&[(place("a"), 1 << 32, ())]).contains("less than 4 GiB"));
    assert!(error(&[(place("a"), 1, ()), (place("A"), 1, ())]).contains("twice"));
    assert!(error(&[(place("a"), 1, ()), (place("A/b"), 1, ())]).contains("twice"));
    let large: Vec<_> = (0..2100).map(|i| (place(&format!("{i}")), (1 << 32) - 1, ())).collect();
    assert!(error(&large).contains("8 TiB"));
    assert!(Image::new(&label, Date(0), &[(place("a"), (1 << 32) - 1, ())]).is_ok());
    let long = "a".repeat(104);
    for bad in ["", "a/b", "a:b", "a\n", ".a", "a.", " a", "a ", long.as_str(), "\u{1f600}"] {
        assert!(bad.parse::<IsoName>().is_err(), "{bad:?}");
    }
    assert_eq!(WINDOWS.len(), 74);
    for good in [WINDOWS, &long[1..], "ü"] {
        assert!(good.parse::<IsoName>().is_ok(), "{good:?}");
    }
    for bad in ["", "a", "A B", "ABCDEFGHIJKLMNOPQ"] {
        assert!(bad.parse::<VolumeLabel>().is_err(), "{bad:?}");
    }
}
