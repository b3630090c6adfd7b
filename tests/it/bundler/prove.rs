use crate::bundler::sandbox::Sandbox;

const RECIPE: &str = "[bundle]\nname = 'a'\nchannel = 'b'\n[[file]]\nname = 'x'\npath = 'x'\n";

#[test]
fn a_proof_needs_a_lock_with_targets_a_driver_and_headers() {
    let sandbox = Sandbox::empty();
    let prove = ["prove", "--installer", "x"];
    sandbox.write("bundle.toml", RECIPE);
    sandbox.write("x", "x");
    let error = sandbox.fails(1, &prove);
    assert!(error.contains("no lock") && error.contains("`vgpu-bundler lock`"), "{error}");
    sandbox.ok(&["lock"]);
    let error = sandbox.fails(2, &prove);
    assert!(error.contains("names no targets") && error.contains("add `[targets]`"), "{error}");
    let targets = "[targets]\ngpu = ['10de:1eb8']\ndriver = '16.9'\nkernel = '6.8.12-9-pve'\n";
    sandbox.write("bundle.toml", &format!("{RECIPE}{targets}"));
    sandbox.ok(&["lock", "--allow-unsuitable"]);
    let error = sandbox.fails(2, &prove);
    assert!(error.contains("the lock has no host driver"), "{error}");
    let before = sandbox.read("bundle.lock");
    sandbox.fails(2, &prove);
    assert_eq!(sandbox.read("bundle.lock"), before);
}
