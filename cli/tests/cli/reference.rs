//! The whole command line in one text, and the names that it goes by.

use std::fmt::Write as _;

use crate::run::Place;

/// Wide enough for every line, and the same on every terminal.
const WIDTH: usize = 100;

fn describe(command: &clap::Command, text: &mut String) {
    let mut command = command.clone().term_width(WIDTH);
    let name = command.get_bin_name().unwrap().to_owned();
    writeln!(text, "## {name}\n\n{}", command.render_long_help().to_string().trim_end()).unwrap();
    text.push('\n');
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        describe(verb, text);
    }
}

fn reference(program: &str) -> String {
    let mut command = joch_cli::command(program).term_width(WIDTH);
    command.build();
    let mut text = String::new();
    describe(&command, &mut text);
    text
}

#[test]
fn cli_reference() {
    insta::assert_snapshot!(reference("joch"));
}

#[test]
fn every_option_has_a_variable_and_a_help_text() {
    fn walk(command: &clap::Command, wrong: &mut Vec<String>) {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let builtin = ["help", "version"].contains(&id);
            if !builtin && !argument.is_positional() && argument.get_env().is_none() {
                wrong.push(format!("{}: --{id} has no variable", command.get_name()));
            }
            if argument.get_help().is_none() {
                wrong.push(format!("{}: {id} has no help", command.get_name()));
            }
            if argument.get_help().is_some_and(|help| help.to_string().ends_with('.')) {
                wrong.push(format!(
                    "{}: the help of {id} ends with a full stop",
                    command.get_name()
                ));
            }
        }
        command.get_subcommands().for_each(|verb| walk(verb, wrong));
    }
    let command = joch_cli::command("joch");
    command.clone().debug_assert();
    let mut wrong = Vec::new();
    walk(&command, &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn as_a_plugin_of_kubectl_it_goes_by_the_name_that_people_write() {
    let help = Place::as_program("kubectl-joch").joch(&["plugin", "new", "--help"]).good();
    assert!(help.contains("Usage: kubectl joch plugin new "), "{help}");
    let help = Place::new().joch(&["plugin", "new", "--help"]).good();
    assert!(help.contains("Usage: joch plugin new "), "{help}");
}

#[test]
fn what_is_not_understood_ends_with_2_and_says_so() {
    for args in [&["plugin", "nwe"][..], &["plugin", "new"], &["plugin"], &[]] {
        let ran = Place::new().joch(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("Usage:"), "{ran:?}");
    }
    let ran = Place::new().joch(&["plugin", "new", "Banner"]);
    assert!(ran.stderr.contains("is not a DNS label"), "{ran:?}");
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    let ran = Place::new().joch(&["plugin", "inspect", "none.wasm"]);
    assert!(!ran.stderr.contains('\x1b'), "{ran:?}");
    let coloured =
        Place::new().with("CLICOLOR_FORCE", "1").joch(&["plugin", "inspect", "none.wasm"]);
    assert!(coloured.stderr.contains("\x1b[1m"), "{coloured:?}");
}
