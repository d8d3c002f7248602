//! `joch completion`.

use std::process::{Command, Stdio};

use crate::run::Place;

#[test]
fn every_shell_gets_a_script_that_knows_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Place::new().joch(&["completion", shell]).good();
        assert!(script.contains("inspect") && script.contains("joch"), "{shell}: {script}");
    }
    let script = Place::as_program("kubectl-joch").joch(&["completion", "bash"]).good();
    assert!(script.contains("-o default kubectl-joch\n"), "{script}");
}

#[test]
fn bash_takes_its_script() {
    let script = Place::new().joch(&["completion", "bash"]).good();
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}
