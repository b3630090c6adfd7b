use std::io::Write as _;

use vgpu_manifest::headers::VfioOption;
use vgpu_manifest::verdict::Export;

use super::examine::examine;
use super::is_headers;

const FOLDER: &str = "./usr/src/linux-headers-6.8.12-43-pve";
const SYMVERS: &str = "0x11\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\t\n";
const CONFIG: &str = "CONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\nCONFIG_VFIO_IOMMU_TYPE1=m\n";

fn tree(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn headers(symvers: &str) -> Vec<u8> {
    let file = |name: &str| format!("{FOLDER}/{name}");
    let (makefile, list, config) =
        (file("Makefile"), file("Module.symvers"), file("include/config/auto.conf"));
    tree(&[(&*makefile, "all:\n"), (&*config, CONFIG), (&*list, symvers)])
}

fn deb(name: &str, data: &[u8]) -> Vec<u8> {
    let mut package = b"!<arch>\n".to_vec();
    for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", b"odd"), (name, data)] {
        let size = bytes.len();
        writeln!(package, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, "100644").unwrap();
        package.extend_from_slice(bytes);
        package.resize(package.len().next_multiple_of(2), b'\n');
    }
    package
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn headers_are_read_whatever_packs_them() {
    let data = headers(SYMVERS);
    let zstd = zstd::encode_all(&*data, 3).unwrap();
    let forms = [("data.tar", data.clone()), ("data.tar.gz", gzip(&data)), ("data.tar.zst/", zstd)];
    for (name, data) in forms {
        let record = examine(&*deb(name, &data)).unwrap().unwrap();
        assert_eq!(record.kernel.as_str(), "6.8.12-43-pve", "{name}");
        assert_eq!((record.apicv, record.vfio.len()), (Export::Exported, 3), "{name}");
        assert!(record.vfio.contains(&VfioOption::KvmVfio));
    }
    let missing = deb("data.tar", &headers("0x11\ta\tvmlinux\tEXPORT_SYMBOL\t\n"));
    assert_eq!(examine(&*missing).unwrap().unwrap().apicv, Export::Missing);
}

#[test]
fn a_package_without_headers_says_nothing() {
    let meta = tree(&[("./usr/share/doc/proxmox-default-headers/copyright", "x")]);
    assert_eq!(examine(&*deb("data.tar", &meta)).unwrap(), None);
    let elsewhere = tree(&[("./usr/src/linux-headers-6.8/sub/Module.symvers", SYMVERS)]);
    assert_eq!(examine(&*deb("data.tar", &elsewhere)).unwrap(), None);
}

#[test]
fn faults_of_a_package_are_reported() {
    let fault = |bytes: &[u8]| examine(bytes).unwrap_err().to_string();
    assert!(fault(b"#!/bin/sh\nexit\n").contains("does not begin like one"));
    assert!(fault(&deb("data.tar.lz4", b"")).contains("`data.tar.lz4`"));
    assert!(fault(&deb("other", b"")).contains("cannot read the package"));
    let good = deb("data.tar.gz", &gzip(&headers(SYMVERS)));
    let cut = examine(&good[..good.len() - 100]).unwrap_err();
    assert!(cut.chain().any(<dyn std::error::Error>::is::<std::io::Error>), "{cut:#}");
    let mut size = deb("data.tar", b"");
    size[8 + 48] = b'x';
    assert!(fault(&size).contains("a size in the package is not a number"));
    let broken = examine(&*deb("data.tar", &headers("one two\n"))).unwrap_err();
    let broken = format!("{broken:#}");
    assert!(broken.contains("Module.symvers") && broken.contains("line 1"), "{broken}");
}

#[test]
fn packages_that_dpkg_made_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join("tree").join(name);
    std::fs::create_dir_all(path("DEBIAN")).unwrap();
    std::fs::create_dir_all(path(FOLDER).join("include/config")).unwrap();
    let control = "Package: proxmox-headers\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\n\
                   Description: test\n";
    std::fs::write(path("DEBIAN/control"), control).unwrap();
    std::fs::write(path(FOLDER).join("Module.symvers"), SYMVERS).unwrap();
    std::fs::write(path(FOLDER).join("include/config/auto.conf"), CONFIG).unwrap();
    for form in ["xz", "gzip", "zstd", "none"] {
        let package = dir.path().join(format!("{form}.deb"));
        let mut build = std::process::Command::new("dpkg-deb");
        build.arg(format!("-Z{form}")).args(["--root-owner-group", "--build"]);
        let Ok(output) = build.arg(path("")).arg(&package).output() else {
            assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs dpkg-deb");
            eprintln!("skipped: needs dpkg-deb");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let found = examine(std::fs::File::open(package).unwrap()).unwrap().unwrap();
        assert_eq!(found.kernel.as_str(), "6.8.12-43-pve", "{form}");
        assert_eq!(found.apicv, Export::Exported, "{form}");
    }
}

#[test]
fn headers_are_known_by_their_name() {
    let is = |name: &str| is_headers(&name.parse().unwrap());
    assert!(is("apt/proxmox-headers-6.8.12-43-pve_6.8.12-43_amd64.deb"));
    assert!(is("pve-headers-5.15.158-2-pve.deb") && is("linux-headers-6.1.0-18-amd64.deb"));
    assert!(!is("apt-headers-1/dkms_3.0_all.deb") && !is("proxmox-headers-6.8.tar"));
}
