use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use crate::installer::fixture::{Site, Spec, key};

/// The message about unread files. The bundle's file comes first; in test builds the program itself
/// may follow.
const UNREAD: &str = "large, and unchanged since it was read: /opt/vgpu/large";

/// Returns the output of `status` after the file has been unchanged long enough to be cached.
fn settled(site: &Site) -> String {
    for _ in 0..50 {
        let said = site.run(&["status"]).expect(0).out;
        if said.contains(UNREAD) {
            return said;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("it was read each time");
}

#[test]
fn a_large_file_is_read_again_when_it_was_changed_or_on_request() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let mut spec = Spec::full(1);
    spec.items[1].1 = (0..17 << 20_u32).map(|i: u32| (i % 251) as u8).collect();
    let bundle = site.bundle(&spec, &[&alice]);
    site.run(&["apply", "--yes", &bundle]).expect(10);
    assert!(settled(&site).contains("everything is in sync"));
    assert!(!site.run(&["status", "--thorough"]).expect(0).out.contains("since it was read"));
    site.run(&["status", "--json"]).expect(0);
    let json = site.run(&["status", "--json"]).expect(0).json();
    assert_eq!(json["unread"][0], "/opt/vgpu/large", "{json:#}");
    let json = site.run(&["report", "--json"]).expect(0).json();
    assert!(!json.to_string().contains("unread"), "a report has read everything");

    // One byte differs; size and modification time are unchanged.
    let path = site.path("root/opt/vgpu/large");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(9 << 20)).unwrap();
    file.write_all(&[255]).unwrap();
    file.set_modified(before).unwrap();
    let said = site.run(&["status"]).expect(5).out;
    assert!(said.contains("drifted  write /opt/vgpu/large") && !said.contains(UNREAD), "{said}");
    site.run(&["apply", "--yes", &bundle]).expect(0);
    settled(&site);
}
