//! Fuzzing as part of `cargo test`: a target is a function of one input that panics if a property does not
//! hold; inputs are generated, shrunk and kept by proptest's means.
//!
//! Every run begins with the inputs that failed once: files of JSON beside the target. Then
//! - `cargo test` tries a fixed number of inputs from a fixed seed, so that a red run is the change's doing;
//! - with `FUZZ_SECONDS=60` (`make fuzz`) each target goes on for that time, from the time of day.
//!
//! `FUZZ_SEED` takes the place of either seed. An input that fails is made as small as it gets, written to
//! the target's folder, and printed with the seed.

#![expect(clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

use std::cell::Cell;
use std::fmt::Debug;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod edits;

pub use edits::{edited_bytes, edited_text};

/// The seed of a bounded run.
const SEED: u64 = 1;
/// How many steps are taken to make an input smaller.
const SHRINKING: u32 = 20_000;

/// One target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name; its kept inputs are in the folder of that name.
    pub name: &'static str,
    /// The folder of all kept inputs, within the crate.
    pub kept: &'static str,
    /// How many inputs a bounded run tries: about a second's worth of an optimised build.
    pub cases: u32,
}

impl Target {
    /// Holds `property` against the inputs that were kept, and against generated ones.
    ///
    /// # Panics
    /// If the property does not hold; the message holds the smallest input that was found.
    pub fn hold<S>(self, inputs: &S, property: impl Fn(&S::Value))
    where
        S: Strategy,
        S::Value: Clone + Debug + Serialize + DeserializeOwned,
    {
        self.replay(&property);
        let seconds = number("FUZZ_SECONDS");
        let seed = number("FUZZ_SEED").unwrap_or(if seconds.is_some() { now() } else { SEED });
        let (began, mut tried) = (Instant::now(), 0_u64);
        loop {
            self.round(seed.wrapping_add(tried), inputs, &property);
            tried += u64::from(self.cases);
            let Some(seconds) = seconds else { break };
            if began.elapsed() >= Duration::from_secs(seconds) {
                break;
            }
        }
        self.say(&format!("{tried} inputs in {:.1?} from FUZZ_SEED={seed}", began.elapsed()));
    }

    fn folder(self) -> PathBuf {
        // Where the crate is now, not where it was built: checkouts may share what is built.
        let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the test");
        Path::new(&here).join(self.kept).join(self.name)
    }

    fn replay<T: DeserializeOwned + Debug>(self, property: &impl Fn(&T)) {
        let Ok(files) = fs::read_dir(self.folder()) else { return };
        for file in files {
            let path = file.expect("the folder of kept inputs can be listed").path();
            let text = fs::read_to_string(&path).expect("a kept input can be read");
            let input = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{path:?} is no input of {}: {error}", self.name));
            self.say(&format!("again {path:?}"));
            property(&input);
        }
    }

    fn round<S>(self, seed: u64, inputs: &S, property: &impl Fn(&S::Value))
    where
        S: Strategy,
        S::Value: Clone + Debug + Serialize,
    {
        let config = Config {
            cases: self.cases,
            failure_persistence: None,
            max_shrink_iters: SHRINKING,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *place = byte;
        }
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let outcome = quietly(|| {
            runner.run(inputs, |input| {
                property(&input);
                Ok(())
            })
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => {
                let place = self.keep(&input);
                panic!("{}: {why}\nFUZZ_SEED={seed}; {place}\n{input:#?}", self.name)
            }
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    /// Writes an input down, named by its content, and says where; or shows it, if it cannot be written.
    fn keep(self, input: &impl Serialize) -> String {
        let text = serde_json::to_string_pretty(input).expect("an input is data");
        let name = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let path = self.folder().join(format!("{name:016x}.json"));
        let written =
            fs::create_dir_all(self.folder()).and_then(|()| fs::write(&path, text.clone() + "\n"));
        match written {
            Ok(()) => format!("kept in {path:?}, to be committed with the repair"),
            Err(error) => format!("{path:?} cannot be written ({error}): {text}"),
        }
    }

    fn say(self, text: &str) {
        // Not print!: that is captured, and lost with the process if a target overflows the stack.
        drop(writeln!(std::io::stderr(), "fuzz {}: {text}", self.name));
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs something whose panics on this thread are not printed: the smallest input is, in the end.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |what| {
            if !QUIET.get() {
                usual(what);
            }
        }));
    });
    QUIET.set(true);
    let result = run();
    QUIET.set(false);
    result
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text:?} is no number")))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use proptest::collection::vec;
    use proptest::num::u32::ANY;

    use super::*;

    #[test]
    fn an_input_that_fails_is_made_small_kept_and_tried_again() {
        let folder = std::env::temp_dir().join(format!("joch-fuzz-{}", std::process::id()));
        let kept: &'static str = folder.to_string_lossy().into_owned().leak();
        let target = Target { name: "sum", kept, cases: 1000 };
        let fails = |input: &Vec<u32>| assert!(input.iter().all(|n| *n < 1000), "too large");
        let first = catch_unwind(|| target.hold(&vec(ANY, 0..10), fails)).unwrap_err();
        let text = first.downcast_ref::<String>().unwrap().clone();
        assert!(text.contains("too large") && text.contains("FUZZ_SEED=1"), "{text}");
        let files: Vec<_> = fs::read_dir(target.folder()).unwrap().collect();
        assert_eq!(files.len(), 1);
        let small = fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<u32>>(&small).unwrap(), [1000]);

        // Now it comes first, whatever is generated.
        let few = vec(0..1_u32, 0..1);
        let again = catch_unwind(|| target.hold(&few, fails)).unwrap_err();
        assert_eq!(*again.downcast_ref::<&str>().unwrap(), "too large");
        target.hold(&few, |_| {});
        fs::remove_dir_all(folder).unwrap();
    }
}
