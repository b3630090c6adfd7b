#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use anyhow::anyhow;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use vgpu_manifest::catalog::DeviceId;
use vgpu_manifest::driver::{GpuSupport, Resolution, SupportedType, VgpuConfig, VgpuType};

/// The limit of vGPU types and GPUs in a file. Known ones have about 2,000.
const MAX_ROWS: usize = 50_000;

/// Parses a `vgpuConfig.xml`.
///
/// ```xml
/// <vgpuconfig>
///   <vgpuType id="11" name="GRID M60-0B" class="NVS">
///     <framebuffer>0x1A000000</framebuffer> <numHeads>2</numHeads>
///     <display width="2560" height="1600"/> …
///   </vgpuType>
///   <pgpu>
///     <devId vendorId="0x10de" deviceId="0x13F2" subsystemVendorId="0x10de" subsystemId="0x0"/>
///     <supportedVgpu vgpuId="11"><maxVgpus>16</maxVgpus> … </supportedVgpu>
///   </pgpu>
/// </vgpuconfig>
/// ```
///
/// Unknown elements are skipped: each release adds some.
pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<VgpuConfig> {
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().trim_text(true);
    reader.config_mut().expand_empty_elements = true;
    let mut config = VgpuConfig::default();
    let mut root = false;
    loop {
        match reader.read_event().map_err(|error| wrong(&error.to_string()))? {
            Event::Start(start) => match (start.name().as_ref(), root) {
                ("vgpuconfig", false) => root = true,
                ("vgpuType", true) => {
                    let attributes = attributes(&start)?;
                    config.types.push(vgpu_type(&attributes, &fields(&mut reader, &start)?)?);
                }
                ("pgpu", true) => config.gpus.push(gpu(&fields(&mut reader, &start)?)?),
                (_, true) => drop(fields(&mut reader, &start)?),
                (_, false) => return Err(wrong("it does not begin with `<vgpuconfig>`")),
            },
            Event::Eof if !root => return Err(wrong("it is empty")),
            Event::Eof => break,
            _ => {}
        }
        if config.types.len() + config.gpus.len() > MAX_ROWS {
            return Err(wrong("it has more rows than allowed"));
        }
    }
    check(config)
}

/// Checks that types are unique and that GPUs refer to existing types.
fn check(mut config: VgpuConfig) -> anyhow::Result<VgpuConfig> {
    config.types.sort_by_key(|vgpu_type| vgpu_type.id);
    if let Some(pair) = config.types.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(wrong(&format!("it has two vGPU types with the id {}", pair[0].id)));
    }
    config.gpus.sort_by_key(|gpu| (gpu.device, gpu.subsystem));
    let is_there = |id: u32| config.types.binary_search_by_key(&id, |it| it.id).is_ok();
    let mut ids = config.gpus.iter().flat_map(|gpu| gpu.types.iter().map(|held| held.id));
    match ids.find(|id| !is_there(*id)) {
        Some(id) => Err(wrong(&format!("a GPU holds the vGPU type {id}, which it does not have"))),
        None => Ok(config),
    }
}

fn wrong(why: &str) -> anyhow::Error {
    let why: String = why.chars().take(200).flat_map(char::escape_debug).collect();
    anyhow!("the `vgpuConfig.xml` of the driver cannot be used: {why}")
}

/// An element below a type or a GPU: its name, its attributes, its text, and the index of its
/// parent in the same list.
#[derive(Debug)]
struct Field {
    name: String,
    attributes: Attributes,
    text: String,
    parent: Option<usize>,
}

type Attributes = BTreeMap<String, String>;

/// Reads everything up to the end of `start`.
fn fields(reader: &mut Reader<&[u8]>, start: &BytesStart<'_>) -> anyhow::Result<Vec<Field>> {
    let (mut fields, mut open): (Vec<Field>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().map_err(|error| wrong(&error.to_string()))? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                let (attributes, parent) = (attributes(&start)?, open.last().copied());
                open.push(fields.len());
                fields.push(Field { name, attributes, text: String::new(), parent });
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                if let Some(field) = open.last().and_then(|at| fields.get_mut(*at)) {
                    field.text.push_str(&text);
                }
            }
            Event::End(_) if open.pop().is_none() => return Ok(fields),
            Event::Eof => {
                let name = start.name().as_ref().to_owned();
                return Err(wrong(&format!("it ends in `<{name}>`")));
            }
            _ => {}
        }
        if fields.len() > MAX_ROWS {
            return Err(wrong("it has more rows than allowed"));
        }
    }
}

fn attributes(start: &BytesStart<'_>) -> anyhow::Result<Attributes> {
    let mut found = Attributes::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| wrong(&error.to_string()))?;
        let name = attribute.key.as_ref().to_owned();
        let value = quick_xml::escape::unescape(&attribute.value)
            .map_err(|error| wrong(&error.to_string()))?;
        found.insert(name, value.into_owned());
    }
    Ok(found)
}

fn vgpu_type(attributes: &Attributes, fields: &[Field]) -> anyhow::Result<VgpuType> {
    let id = number(attribute(attributes, "vgpuType", "id")?)?;
    let name = attribute(attributes, "vgpuType", "name")?;
    let class = attribute(attributes, "vgpuType", "class")?;
    let find = |name: &str| fields.iter().find(|it| it.parent.is_none() && it.name == name);
    let value = |name: &str| find(name).map(|field| number::<u64>(&field.text)).transpose();
    let framebuffer = value("framebuffer")?
        .ok_or_else(|| wrong(&format!("the vGPU type {id} has no `<framebuffer>`")))?;
    let resolution = |field: &Field| {
        let side = |name| attribute(&field.attributes, "display", name).and_then(number);
        anyhow::Ok(Resolution { width: side("width")?, height: side("height")? })
    };
    Ok(VgpuType {
        id,
        name: name.parse().map_err(|error| wrong(&format!("{error}")))?,
        class: class.parse().map_err(|error| wrong(&format!("{error}")))?,
        framebuffer,
        profile_size: value("profileSize")?,
        heads: find("numHeads").map(|field| number(&field.text)).transpose()?,
        resolution: find("display").map(resolution).transpose()?,
    })
}

fn gpu(fields: &[Field]) -> anyhow::Result<GpuSupport> {
    let top = |name: &'static str| {
        fields.iter().enumerate().filter(move |(_, it)| it.parent.is_none() && it.name == name)
    };
    let (_, id) = top("devId").next().ok_or_else(|| wrong("a `<pgpu>` has no `<devId>`"))?;
    let id = |name| attribute(&id.attributes, "devId", name).and_then(number::<u16>);
    if id("vendorId")? != 0x10de {
        return Err(wrong("a `<pgpu>` is of another vendor"));
    }
    let types = top("supportedVgpu").map(|(at, field)| {
        let max = fields.iter().find(|it| it.parent == Some(at) && it.name == "maxVgpus");
        let max = max.ok_or_else(|| wrong("a `<supportedVgpu>` has no `<maxVgpus>`"))?;
        let id = number(attribute(&field.attributes, "supportedVgpu", "vgpuId")?)?;
        Ok(SupportedType { id, instances: number(&max.text)? })
    });
    let subsystem = Some(id("subsystemId")?).filter(|id| *id != 0).map(DeviceId);
    let types = types.collect::<anyhow::Result<_>>()?;
    Ok(GpuSupport { device: DeviceId(id("deviceId")?), subsystem, types })
}

fn attribute<'a>(from: &'a Attributes, of: &str, name: &str) -> anyhow::Result<&'a str> {
    let found = from.get(name).map(String::as_str);
    found.ok_or_else(|| wrong(&format!("a `<{of}>` has no `{name}`")))
}

/// Parses a number in C notation: `0x1A000000` or `2`.
fn number<T: TryFrom<u64>>(text: &str) -> anyhow::Result<T> {
    let lower = text.trim().to_ascii_lowercase();
    let value = match lower.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => lower.parse(),
    };
    let value = value.ok().and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| wrong(&format!("`{text}` is not a number, or is too large")))
}
