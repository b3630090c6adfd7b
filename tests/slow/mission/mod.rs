//! End to end: one recipe with every kind of source, locked, fetched, built twice in different
//! places, and then used by the consumer of each item, with the network disabled.
//!
//! The driver is a stand-in (`vgpu_tests::nvidia`), the unlock library one with real crates, the
//! packages are Debian's, and the image is that of `vgpu_tests::dls` in a real registry.

mod laptop;
mod used;

use std::fs;

use vgpu_tests::dls;
use vgpu_tests::roots::{Layer, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{expect, without_network};
use vgpu_tests::skip::have;

use self::laptop::Laptop;
use self::used::Unpacked;
use crate::node::driver::{MACHINE, furnish, kernel};
use crate::node::site::Site;
use crate::unlock;

#[test]
fn one_bundle_has_every_part_and_each_is_used_without_a_network() {
    with_own_mounts(
        "mission::one_bundle_has_every_part_and_each_is_used_without_a_network",
        || {
            let needed =
                ["docker-registry", "skopeo", "podman", "xz", "ssh-keygen", "tar", "sha256sum"];
            if !unlock::tools() || !dls::tools() || !needed.into_iter().all(have) {
                return;
            }
            let Some(roots) = Roots::open() else { return };
            let Some(host) = roots.layered(Release::Debian12, Layer::HOST) else { return };
            let root = host.fresh();
            furnish(&root);
            let kernel = kernel(&root);

            // The node writes its inventory; the laptop builds a bundle for it; another laptop
            // builds the same.
            let laptop = Laptop::new(&roots, &host, &kernel);
            let site = Site::trusting(root, &laptop.key()).with_wrapper(MACHINE);
            site.run(&["inventory", "--output", "/mnt/node.json"], 0);
            laptop.take_inventory(&site.root.at("/mnt/node.json"));
            for words in [&["lock"], &["fetch"], &["build"]] {
                expect(laptop.bundler(words), 0);
            }
            let other = laptop.another();
            expect(other.bundler(&["fetch"]), 0);
            expect(without_network(&other.bundler(&["build", "--offline"])), 0);
            assert!(fs::read(laptop.bundle()).unwrap() == fs::read(other.bundle()).unwrap());
            let manifest = laptop.manifest();
            assert_eq!(other.lock(), laptop.lock());
            drop(other);

            // From here on, no command has a network.
            let unpacked = Unpacked::by_the_stock_recipe(&laptop, &manifest);
            unpacked.driver_checks_and_unpacks_itself();
            unpacked.library_is_preloaded_and_built_again();
            unpacked.image_is_loaded();
            site.insert(&laptop.bundle());
            drop(laptop);
            used::on_the_node(&site, &manifest, &kernel);
        },
    );
}
