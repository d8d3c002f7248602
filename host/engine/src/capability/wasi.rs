//! The part of WASI that language runtimes cannot do without: an empty environment, closed standard
//! streams, and a seed for hash maps.
//!
//! Implemented here rather than taken from `wasmtime-wasi`'s context, so that a store holds no clock,
//! file system or socket at all.

use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime::{Error, Result};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
    terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::bindings::io::{error, poll, streams};
use wasmtime_wasi::p2::bindings::random::insecure_seed;
use wasmtime_wasi::p2::pipe::{ClosedInputStream, SinkOutputStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use crate::store::State;

/// The interfaces that [`add_to_linker`] adds, without versions.
pub(crate) const LINKED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure-seed",
];

/// Adds the interfaces of [`LINKED`].
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    type Own = HasSelf<State>;
    environment::add_to_linker::<State, Own>(linker, |state| state)?;
    exit::add_to_linker::<State, Own>(linker, |state| state)?;
    stdin::add_to_linker::<State, Own>(linker, |state| state)?;
    stdout::add_to_linker::<State, Own>(linker, |state| state)?;
    stderr::add_to_linker::<State, Own>(linker, |state| state)?;
    terminal_input::add_to_linker::<State, Own>(linker, |state| state)?;
    terminal_output::add_to_linker::<State, Own>(linker, |state| state)?;
    terminal_stdin::add_to_linker::<State, Own>(linker, |state| state)?;
    terminal_stdout::add_to_linker::<State, Own>(linker, |state| state)?;
    terminal_stderr::add_to_linker::<State, Own>(linker, |state| state)?;
    error::add_to_linker::<State, Table>(linker, |state| &mut state.table)?;
    poll::add_to_linker::<State, Table>(linker, |state| &mut state.table)?;
    streams::add_to_linker::<State, Table>(linker, |state| &mut state.table)?;
    insecure_seed::add_to_linker::<State, Own>(linker, |state| state)
}

/// `wasi:io` works on the table alone.
struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl environment::Host for State {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for State {
    fn exit(&mut self, status: Result<(), ()>) -> Result<()> {
        Err(Error::from(I32Exit(i32::from(status.is_err()))))
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        Err(Error::from(I32Exit(i32::from(code))))
    }
}

impl stdin::Host for State {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(ClosedInputStream);
        self.put(stream)
    }
}

impl stdout::Host for State {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(SinkOutputStream);
        self.put(stream)
    }
}

impl stderr::Host for State {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(self.stderr.clone());
        self.put(stream)
    }
}

impl terminal_input::Host for State {}

impl terminal_input::HostTerminalInput for State {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> Result<()> {
        self.remove::<_, terminal_input::TerminalInput>(&terminal)
    }
}

impl terminal_output::Host for State {}

impl terminal_output::HostTerminalOutput for State {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> Result<()> {
        self.remove::<_, terminal_output::TerminalOutput>(&terminal)
    }
}

impl terminal_stdin::Host for State {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<terminal_input::TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for State {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for State {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<terminal_output::TerminalOutput>>> {
        Ok(None)
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((rand::random(), rand::random()))
    }
}
