use super::*;

const GOOD: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE vgpu SYSTEM "http://vendor.example/vgpuConfig.dtd">
<vgpuconfig>
  <version>1.0</version>
  <globalSettings><homogeneousVgpus>TRUE</homogeneousVgpus></globalSettings>
  <vgpuType id="256" name="GRID TEST-1Q" class="Quadro">
    <devId vendorId="0x10de" deviceId="0x1E30" subsystemVendorId="0x10de" subsystemId="0x1325"></devId>
    <framebuffer>0x38000000</framebuffer>
    <profileSize>0x40000000</profileSize>
    <numHeads>4</numHeads>
    <display width="5120" height="2880"></display>
    <nested><framebuffer>1</framebuffer></nested>
  </vgpuType>
  <vgpuType id="11" name="A &amp; B" class="NVS"><framebuffer>1</framebuffer></vgpuType>
  <pgpu>
    <devId vendorId="0x10de" deviceId="0x1E30" subsystemVendorId="0x10de" subsystemId="0x0"/>
    <supportedVgpu vgpuId="256"><maxVgpus>24</maxVgpus><digest type="signature">x</digest></supportedVgpu>
    <supportedVgpu vgpuId="11"><maxVgpus>32</maxVgpus></supportedVgpu>
  </pgpu>
  <pgpu><devId vendorId="0x10de" deviceId="0x13F2" subsystemVendorId="0x10de" subsystemId="0x1176"/></pgpu>
</vgpuconfig>
"#;

#[test]
fn types_and_gpus_are_read() {
    let config = parse(GOOD.as_bytes()).unwrap();
    let test = config.vgpu_type(256).unwrap();
    assert_eq!((test.name.as_str(), test.class.as_str()), ("GRID TEST-1Q", "Quadro"));
    assert_eq!((test.framebuffer, test.profile_size), (0x3800_0000, Some(1 << 30)));
    assert_eq!(test.heads, Some(4));
    assert_eq!(test.resolution, Some(Resolution { width: 5120, height: 2880 }));
    assert_eq!(config.vgpu_type(11).unwrap().name.as_str(), "A & B");
    assert_eq!(config.devices(), [DeviceId(0x13f2), DeviceId(0x1e30)]);
    assert_eq!(config.gpus[0].subsystem, Some(DeviceId(0x1176)));
    assert_eq!(config.gpus[1].subsystem, None);
    assert_eq!(config.gpus[1].types[0], SupportedType { id: 256, instances: 24 });
}

#[test]
fn faults_are_reported() {
    for (old, new, word) in [
        ("<vgpuconfig>", "<other>", "does not begin"),
        ("id=\"11\"", "id=\"256\"", "two vGPU types"),
        ("id=\"11\"", "", "has no `id`"),
        ("vgpuId=\"11\"", "vgpuId=\"12\"", "does not have"),
        ("<framebuffer>0x38000000</framebuffer>", "", "no `<framebuffer>`"),
        ("0x38000000", "0x1ffffffffffffffff", "is not a number"),
        ("<maxVgpus>32</maxVgpus>", "", "no `<maxVgpus>`"),
        ("<maxVgpus>32", "<maxVgpus>-1", "is not a number"),
        ("deviceId=\"0x13F2\"", "deviceId=\"0x13F20\"", "is not a number"),
        ("vendorId=\"0x10de\" deviceId=\"0x13F2\"", "vendorId=\"0x1002\" deviceId=\"0\"", "vendor"),
        ("</pgpu>", "", ""),
        ("&amp;", "&xxe;", ""),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let error = parse(GOOD.replacen(old, new, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(word), "{new}: {error}");
    }
    assert!(parse(b"").is_err() && parse(b"\xff").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(at in 0..GOOD.len(), len in 0..40_usize, byte: u8) {
        let mut bytes = GOOD.as_bytes().to_vec();
        bytes.drain(at..(at + len).min(GOOD.len()));
        bytes.insert(at.min(bytes.len()), byte);
        let _ = parse(&bytes);
    }
}
