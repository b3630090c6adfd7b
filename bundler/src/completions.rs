use clap::Command;
use clap_complete::Shell;

/// What `shell` needs to complete the command line `command`.
#[must_use]
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let name = command.get_name().to_owned();
    // Into memory, because writing to a pipe that was closed would be a panic there.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    if shell != Shell::Bash {
        return script;
    }
    // Where it names the states of a program with a hyphen, the generator for bash spells the name
    // in two ways, so that no option of a command is ever found (clap-rs/clap#6421). A script
    // without the second spelling is left as it is.
    let wrong = name.replace('-', "__subcmd__");
    let right = name.replace('-', "__");
    String::from_utf8_lossy(&script).replace(&wrong, &right).into_bytes()
}
