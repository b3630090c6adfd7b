use std::fs::File;
use std::io::{Read as _, Write as _};

use vgpu_manifest::driver::DriverKind;

use super::file;
use crate::items::driver::{Portal, is_zip};

#[test]
fn the_archive_of_the_portal_has_the_drivers_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (run, grid) =
        ("NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run", "NVIDIA-Linux-x86_64-535.230.02-grid.run");
    let windows = "539.19_grid_win10_win11_server2019_server2022_dch_64bit_international.exe";
    let zip = |names: &[&str], stored: bool| {
        let path = dir.path().join("x.zip");
        let method =
            if stored { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        let mut writer = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in names {
            writer.start_file(*name, options).unwrap();
            writer.write_all(name.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
        File::open(path).unwrap()
    };
    let newer = [
        format!("Host_Drivers/{run}"),
        format!("Guest_Drivers/{grid}"),
        format!("Guest_Drivers/{windows}"),
        "Guest_Drivers/nvidia-linux-grid-535_535.230.02_amd64.deb".to_owned(),
        "grid-vgpu-user-guide.pdf".to_owned(),
    ];
    let newer: Vec<&str> = newer.iter().map(String::as_str).collect();
    for (names, stored) in [(&newer[..], true), (&newer, false), (&[run, grid, windows], false)] {
        let mut file = zip(names, stored);
        assert!(is_zip(&mut file).unwrap());
        let mut portal =
            Portal::open(file, "x/NVIDIA-GRID-Linux-KVM-535.230.02-539.19.zip").unwrap();
        for (kind, name) in [
            (DriverKind::Host, run),
            (DriverKind::Guest, grid),
            (DriverKind::WindowsGuest, windows),
        ] {
            let found = portal.find(kind).unwrap();
            assert!(found.ends_with(name));
            let mut bytes = Vec::new();
            portal.extract(&found, &mut bytes, &|_| {}).unwrap();
            assert_eq!(bytes, found.as_bytes());
        }
    }
    let message = |names: &[&str]| {
        let mut portal = Portal::open(zip(names, false), "x.zip").unwrap();
        portal.find(DriverKind::Host).unwrap_err().to_string()
    };
    let aie = "NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-aie.run";
    let name = "NVIDIA-AI-Enterprise-Linux-KVM-535.230.02-535.230.02-539.19.zip";
    let mut enterprise = Portal::open(zip(&[aie, grid, windows], false), name).unwrap();
    assert_eq!(enterprise.find(DriverKind::Host).unwrap(), aie);
    assert_eq!(enterprise.find(DriverKind::Guest).unwrap(), grid);
    let mut both = Portal::open(zip(&[aie, run], false), "x.zip").unwrap();
    assert_eq!(both.find(DriverKind::Host).unwrap(), run);
    assert_eq!(message(&["a.pdf"]), "the archive has no host driver");
    let deb = "Host_Drivers/nvidia-vgpu-ubuntu-535_535.230.02_amd64.deb";
    assert_eq!(message(&[deb]), format!("the archive has no host driver, but it has {deb}"));
    assert!(message(&[run, &format!("old/{run}")]).contains("several host drivers"));
    let name = "NVIDIA-GRID-Ubuntu-KVM-535.230.02-539.19.zip";
    let mut other = Portal::open(zip(&newer, false), name).unwrap();
    let host = other.find(DriverKind::Host).unwrap_err().to_string();
    assert!(
        host.contains("is the package for Ubuntu-KVM; the host driver for Proxmox VE"),
        "{host}"
    );
    for (kind, name) in [(DriverKind::Guest, grid), (DriverKind::WindowsGuest, windows)] {
        assert!(other.find(kind).unwrap().ends_with(name));
    }
    // A member packed with bzip2, by the method in both of its headers.
    let mut packed = Vec::new();
    zip(&[run], true).read_to_end(&mut packed).unwrap();
    let central = packed.windows(4).position(|it| it == b"PK\x01\x02").unwrap();
    (packed[8], packed[central + 10]) = (12, 12);
    let mut portal = Portal::open(file(&packed), "x.zip").unwrap();
    let told = portal.extract(run, &mut Vec::new(), &|_| {}).unwrap_err().to_string();
    assert!(told.contains("packed with bzip2") && told.contains("`path`"), "{told}");
    let mut cut = Vec::new();
    zip(&newer, false).read_to_end(&mut cut).unwrap();
    cut.truncate(cut.len() - 30);
    let message = Portal::open(file(&cut), "x.zip").unwrap_err().to_string();
    assert!(message.contains("truncated"), "{message}");
}
