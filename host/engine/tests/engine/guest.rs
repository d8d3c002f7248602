//! Small guests, written in WebAssembly text: a core module for the world `joch:controller/controller`,
//! wrapped into a component. Depends on nothing of the engine, so that other suites can use it by path.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A guest, before it is made into a component.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guest {
    /// `(import …)` lines of the core module.
    pub(crate) imports: &'static str,
    /// Further functions, globals and data.
    pub(crate) items: &'static str,
    /// Instructions of `reconcile`, with `$request` as parameter. Without a `return` of its own, the
    /// answer is `done`. Memory below 2048 is the guest's own: 512 for results, 1024 for the answer.
    pub(crate) body: &'static str,
    /// `import …;` lines for the world, beyond ours.
    pub(crate) world: &'static str,
    /// Nested WIT packages that those lines name.
    pub(crate) packages: &'static str,
}

impl Guest {
    /// Encodes the component; `wit` is the repository's folder of that name.
    pub(crate) fn component(&self, wit: &Path) -> Vec<u8> {
        let Self { imports, items, body, world, packages } = self;
        let core = format!(
            r#"(module
              (import "joch:controller/context@0.1.0" "[resource-drop]request"
                (func $drop-request (param i32)))
              {imports}
              (memory (export "memory") 1)
              (global $next (mut i32) (i32.const 2048))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              {items}
              (func (export "joch:controller/reconciler@0.1.0#reconcile")
                (param $request i32) (result i32)
                {body}
                (call $drop-request (local.get $request))
                (i32.const 1024)))"#
        );
        let mut module = wat::parse_str(core).unwrap();
        let mut resolve = Resolve::default();
        for package in ["kube", "runtime", "controller"] {
            resolve.push_dir(wit.join(package)).unwrap();
        }
        let text = format!(
            "package test:guest;\nworld guest {{ include joch:controller/controller@0.1.0; {world} }}\n\
             {packages}"
        );
        let package = resolve.push_str("guest.wit", &text).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).module(&module).unwrap().encode().unwrap()
    }
}

/// Answers `done` at once.
pub(crate) const DONE: Guest = Guest { imports: "", items: "", body: "", world: "", packages: "" };

/// Computes for ever.
pub(crate) const LOOP: Guest = Guest { body: "(loop $again (br $again))", ..DONE };

/// Takes memory for ever, one page of 64 KiB after the other.
pub(crate) const GROW: Guest =
    Guest { body: "(loop $again (drop (memory.grow (i32.const 1))) (br $again))", ..DONE };

/// Fills its memory for ever: most of the time is spent inside the engine.
pub(crate) const FILL: Guest = Guest {
    body: "(loop $again (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $again))",
    ..DONE
};

/// Traps.
pub(crate) const UNREACHABLE: Guest =
    Guest { items: "(func $explode unreachable)", body: "(call $explode)", ..DONE };

/// Calls itself for ever.
pub(crate) const RECURSE: Guest = Guest {
    items: "(func $down (param i32) (result i32)
              (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))",
    body: "(drop (call $down (i32.const 0)))",
    ..DONE
};

/// Calls itself 40,000 times: each of the frames takes 16 bytes at least.
pub(crate) const DEEP: Guest = Guest {
    items: "(func $down (param i32) (result i32)
              (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0))))",
    body: "(drop (call $down (i32.const 40000)))",
    ..DONE
};

/// Takes 70,000 elements of a table.
pub(crate) const TABLE: Guest = Guest {
    items: "(table $all 1 funcref)",
    body: "(drop (table.grow $all (ref.null func) (i32.const 70000)))",
    ..DONE
};

/// Reads an object, whatever comes of it.
pub(crate) const GET: Guest = Guest {
    imports: r#"(import "joch:kube/reader@0.1.0" "get"
      (func $get (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#,
    body: "(call $get (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))",
    ..DONE
};

const LOG: &str = r#"(import "joch:runtime/log@0.1.0" "write"
  (func $log (param i32 i32 i32 i32 i32)))"#;

/// Writes a thousand lines of 16 bytes at level `info`.
pub(crate) const LOG_THOUSAND: Guest = Guest {
    imports: LOG,
    items: r#"(data (i32.const 64) "sixteen bytes...")"#,
    body: "(local $n i32)
      (loop $again
        (call $log (i32.const 2) (i32.const 64) (i32.const 16) (i32.const 0) (i32.const 0))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))",
    ..DONE
};

/// Logs for ever.
pub(crate) const LOG_FOREVER: Guest = Guest {
    imports: LOG,
    body: "(loop $again
      (call $log (i32.const 2) (i32.const 64) (i32.const 16) (i32.const 0) (i32.const 0))
      (br $again))",
    ..DONE
};

/// Logs a message that lies outside its memory.
pub(crate) const OUT_OF_BOUNDS: Guest = Guest {
    imports: LOG,
    body: "(call $log (i32.const 2) (i32.const 64) (i32.const -1) (i32.const 0) (i32.const 0))",
    ..DONE
};

/// Logs one message of 16 MiB.
pub(crate) const HUGE_ARGUMENT: Guest = Guest {
    imports: LOG,
    body: "(drop (memory.grow (i32.const 300)))
      (call $log (i32.const 2) (i32.const 0) (i32.const 16777216) (i32.const 0) (i32.const 0))",
    ..DONE
};

/// Makes queries for ever and drops none.
pub(crate) const HOARD: Guest = Guest {
    imports: r#"(import "joch:kube/reader@0.1.0" "[constructor]query"
      (func $query (param i32 i32 i32 i32 i32 i32) (result i32)))"#,
    body: "(loop $again
      (drop (call $query (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0)))
      (br $again))",
    ..DONE
};

/// Writes `panicked at guest` to standard error a thousand times, then traps.
pub(crate) const PANIC: Guest = Guest {
    imports: r#"
      (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
      (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))"#,
    items: r#"(data (i32.const 64) "panicked at guest")"#,
    body: "(local $n i32) (local $to i32)
      (local.set $to (call $stderr))
      (loop $again
        (call $write (local.get $to) (i32.const 64) (i32.const 17) (i32.const 512))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
      unreachable",
    world: "import wasi:cli/stderr@0.2.0;",
    packages: "
      package wasi:io@0.2.0 {
        interface error { resource error; }
        interface streams {
          use error.{error};
          variant stream-error { last-operation-failed(error), closed }
          resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
          }
        }
      }
      package wasi:cli@0.2.0 {
        interface stderr {
          use wasi:io/streams@0.2.0.{output-stream};
          get-stderr: func() -> output-stream;
        }
      }",
};
