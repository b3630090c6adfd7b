use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::PciAddress;

use crate::ui::Ui;

/// Asks for the use of each GPU on a host with several, and returns the corresponding flags; `None`
/// at the end of input. With one GPU there is no choice.
pub(super) fn show(gpus: &[Gpu], ui: &Ui) -> Option<Vec<String>> {
    if gpus.len() < 2 {
        return Some(Vec::new());
    }
    ui.say("This host has several NVIDIA GPUs:");
    for (number, gpu) in (1..).zip(gpus) {
        ui.say(format_args!("  {number}  {} at {}{}", gpu.id, gpu.address, held(gpu)));
    }
    let all: Vec<_> = gpus.iter().map(|gpu| gpu.address).collect();
    let vgpu =
        ask("GPUs to use for vGPU, by number (Enter: all that the bundle targets):", &all, ui)?;
    let left: Vec<_> = all.iter().copied().filter(|gpu| !vgpu.contains(gpu)).collect();
    let whole = if left.is_empty() {
        Vec::new()
    } else {
        ask("GPUs to pass through, by number (Enter: none):", &all, ui)?
    };
    Some(words("--vgpu", &vgpu).chain(words("--passthrough", &whole)).collect())
}

/// Describes the driver that the GPU is bound to.
pub(super) fn held(gpu: &Gpu) -> String {
    gpu.driver.as_ref().map_or_else(String::new, |driver| format!(", held by {driver}"))
}

fn words<'w>(flag: &'w str, gpus: &'w [PciAddress]) -> impl Iterator<Item = String> + 'w {
    gpus.iter().flat_map(move |gpu| [flag.to_owned(), gpu.to_string()])
}

fn ask(question: &str, gpus: &[PciAddress], ui: &Ui) -> Option<Vec<PciAddress>> {
    loop {
        let answer = ui.answer(question).ok().flatten()?;
        match chosen(&answer, gpus) {
            Some(chosen) => return Some(chosen),
            None => ui.say("Enter numbers from the list, separated by spaces."),
        }
    }
}

/// Returns the GPUs with these numbers, each once; `None` if a number is invalid.
fn chosen(answer: &str, gpus: &[PciAddress]) -> Option<Vec<PciAddress>> {
    let mut chosen = Vec::new();
    for number in answer.split([' ', ',']).filter(|word| !word.is_empty()) {
        let number: usize = number.parse().ok()?;
        let gpu = *gpus.get(number.checked_sub(1)?)?;
        if !chosen.contains(&gpu) {
            chosen.push(gpu);
        }
    }
    Some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_list_are_taken_and_nothing_else() {
        let gpus = ["0000:41:00.0", "0000:81:00.0"].map(|it| it.parse().unwrap());
        assert_eq!(chosen("", &gpus), Some(Vec::new()));
        assert_eq!(chosen("2, 1 2", &gpus), Some(vec![gpus[1], gpus[0]]));
        for odd in ["0", "3", "x", "-1", "1 x", "99999999999999999999"] {
            assert_eq!(chosen(odd, &gpus), None, "{odd}");
        }
        let flags: Vec<_> = words("--vgpu", &gpus).collect();
        assert_eq!(flags, ["--vgpu", "0000:41:00.0", "--vgpu", "0000:81:00.0"]);
    }
}
