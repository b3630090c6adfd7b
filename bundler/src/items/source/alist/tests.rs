use vgpu_manifest::driver::DriverKind;

use super::answer::{FileAnswer, ListAnswer};
use super::*;

fn source(driver: DriverKind, version: Option<&str>) -> AlistSource {
    AlistSource {
        url: "https://alist.example".parse().unwrap(),
        path: "/vGPU/16.9".parse().unwrap(),
        driver,
        version: version.map(|version| version.parse().unwrap()),
    }
}

fn list(names: &[&str]) -> ListAnswer {
    let entry = |name: &&str| {
        let is_dir = name.ends_with('/');
        serde_json::json!({"name": name.trim_end_matches('/'), "is_dir": is_dir, "size": 1})
    };
    let content: Vec<_> = names.iter().map(entry).collect();
    serde_json::from_value(serde_json::json!({"content": content})).unwrap()
}

#[test]
fn the_driver_is_chosen_by_nvidias_names() {
    let run = "NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run";
    let one = |name: &str| Found::One(name.to_owned());
    let all = list(&[
        run,
        "NVIDIA-Linux-x86_64-535.216.01-vgpu-kvm.run",
        "NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm-custom.run",
        "NVIDIA-Linux-x86_64-535.230.02-grid.run",
        "539.19_grid_win10_win11_server2022_dch_64bit_international.exe",
        "NVIDIA-GRID-Linux-KVM-535.230.02-539.19.zip",
        "NVIDIA-GRID-vSphere-8.0-535.230.02-539.19.zip",
        "NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run/",
    ]);
    let host = source(DriverKind::Host, Some("535.230.02"));
    assert_eq!(choose(&host, &all).unwrap(), one(run));
    assert_eq!(fallback(&host, &all).unwrap(), one("NVIDIA-GRID-Linux-KVM-535.230.02-539.19.zip"));
    let any = source(DriverKind::Host, None);
    let several = choose(&any, &all).unwrap_err().to_string();
    assert!(
        several.ends_with("-535.230.02-vgpu-kvm.run, NVIDIA-Linux-x86_64-535.216.01-vgpu-kvm.run"),
        "{several}"
    );
    let guest = source(DriverKind::Guest, None);
    assert_eq!(choose(&guest, &all).unwrap(), one("NVIDIA-Linux-x86_64-535.230.02-grid.run"));
    let windows = source(DriverKind::WindowsGuest, Some("539.19"));
    assert!(
        matches!(choose(&windows, &all).unwrap(), Found::One(name) if name.starts_with("539.19"))
    );
    let newer = source(DriverKind::Host, Some("535.247.01"));
    assert_eq!(choose(&newer, &all).unwrap(), Found::None);
    assert_eq!(fallback(&newer, &all).unwrap(), Found::None);
}

#[test]
fn answers_are_read_or_refused() {
    let good = br#"{"code":200,"message":"success","data":{"raw_url":"","sign":"x","size":1}}"#;
    assert_eq!(data::<FileAnswer>(good).unwrap().sign, "x");
    let empty = br#"{"code":200,"message":"success","data":{"content":null,"total":0}}"#;
    assert!(data::<ListAnswer>(empty).unwrap().content().is_empty());
    let message = |bytes: &[u8]| data::<ListAnswer>(bytes).unwrap_err().to_string();
    assert!(message(b" <html>").contains("web page"));
    assert!(
        message(br#"{"code":403,"message":"no\u001b","data":null}"#).contains(r"403: no\u{1b}")
    );
    for bad in [&b""[..], b"[]", b"{}", b"\xff", br#"{"code":200,"data":{"content":7}}"#] {
        assert!(message(bad).contains("does not answer as AList does"), "{bad:?}");
    }
    let deep = [b"{\"code\":200,\"data\":".to_vec(), vec![b'['; 100_000]].concat();
    assert!(message(&deep).contains("does not answer"));
}
