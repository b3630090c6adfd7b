use super::header::Header;
use super::payload::Payload;
use super::{vgpu_config, walk};

/// Parses the script at the start of a driver, and finds its payload.
pub fn driver_header(bytes: &[u8]) {
    if let Ok(header) = Header::read(&mut &*bytes)
        && let Ok(offset) = header.offset(&mut &*bytes)
    {
        assert!(offset <= bytes.len() as u64, "the payload begins in the file");
    }
}

/// Unpacks the payload of a driver, and walks through its archive.
pub fn driver_payload(bytes: &[u8]) {
    if let Ok(payload) = Payload::open(bytes, 1 << 20) {
        let _ = walk::walk(payload, &[]);
    }
}

/// Parses a `vgpuConfig.xml`.
pub fn vgpu_config(bytes: &[u8]) {
    let _ = vgpu_config::parse(bytes);
}
