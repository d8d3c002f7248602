//! Does what the object that it reconciles says: its `spec.script` is a list of host calls, written as
//! data. Tests drive it step by step by editing the spec.
//!
//! Each call answers with one log line (target `guest`) that is a JSON document: `puppet` (the object's
//! name), `generation`, `step`, `call`, `ok`, and `answer` or `error` with `text`. A line with `begin`
//! (the controller's name) and `finalize` (whether the object is being deleted) comes before the first step. Nothing reaches the status unless the script reports it.

mod calls;
mod script;

use joch_plugin::{Context, Controller, Failure, Outcome};
use serde_json::json;

use crate::calls::{Done, perform};
use crate::script::{Puppet, Step};

joch_plugin::plugin! {
    manifest: "plugin.toml",
    controllers: { "puppet" => Player, "doll" => Player },
}

struct Player;

impl Controller for Player {
    type Object = Puppet;

    fn reconcile(&self, cx: &Context, puppet: Puppet) -> Result<Outcome, Failure> {
        play(cx, &puppet, &puppet.spec.script, false)
    }

    fn finalize(&self, cx: &Context, puppet: Puppet) -> Result<Outcome, Failure> {
        play(cx, &puppet, &puppet.spec.finalize, true)
    }
}

/// Performs the steps in their order, until one ends the call.
fn play(
    cx: &Context,
    puppet: &Puppet,
    script: &[Step],
    finalize: bool,
) -> Result<Outcome, Failure> {
    let line = |mut line: serde_json::Value| {
        if let Some(fields) = line.as_object_mut() {
            fields.insert("puppet".to_owned(), cx.name().into());
            fields.insert("generation".to_owned(), puppet.metadata.generation.into());
        }
        calls::write_line(&line);
    };
    line(json!({ "begin": cx.controller(), "finalize": finalize }));
    for (number, step) in script.iter().enumerate() {
        for _ in 0..step.times {
            match perform(cx, &step.call) {
                Done::Ok(answer) => line(
                    json!({ "step": number, "call": step.call.name(), "ok": true, "answer": answer }),
                ),
                Done::Refused { error, text } => line(json!({
                    "step": number, "call": step.call.name(), "ok": false, "error": error, "text": text,
                })),
                Done::End(result) => return result,
            }
        }
    }
    Ok(Outcome::Done)
}
