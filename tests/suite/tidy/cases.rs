//! The reference cases: every one of KubeTask (KT) and of the status contract (SC) has a test that carries
//! its number. The table in `plugins/kubetask/CASES.md` names those of KubeTask, `UPDATE=1` writes the names
//! anew; the one of the status contract is in `host/ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use anyhow::{Context as _, Result, ensure};
use joch_tests::paths;

use super::sources::{self, Source};

const TABLE: &str = "plugins/kubetask/CASES.md";

/// The numbers that the reference gives.
const CASES: [RangeInclusive<u32>; 7] =
    [1..=19, 20..=37, 40..=46, 50..=55, 60..=68, 70..=76, 80..=97];

type Tests = BTreeMap<u32, BTreeSet<String>>;

/// The tests by the numbers in their names: `kt_21_22_a_file` is one of 21 and of 22.
fn tests(sources: &[Source], prefix: &str) -> Tests {
    let mut found = Tests::new();
    for source in sources {
        let mut lines = source.text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if !matches!(line, "#[test]" | "#[tokio::test]") {
                continue;
            }
            let Some(name) = lines.find_map(|line| line.split_once("fn ")) else { break };
            let name = name.1.split('(').next().unwrap_or_default();
            for number in numbers(name, prefix) {
                found.entry(number).or_default().insert(name.to_owned());
            }
        }
    }
    found
}

/// The numbers that follow the prefix in a name, `kt_01_to_03` included.
fn numbers(name: &str, prefix: &str) -> Vec<u32> {
    let Some((_, rest)) = name.split_once(prefix) else { return Vec::new() };
    let mut numbers: Vec<u32> = Vec::new();
    let mut until = false;
    for word in rest.split('_') {
        match word.parse() {
            Ok(number) if until => {
                let first = numbers.last().copied().unwrap_or(number);
                numbers.extend(first + 1..=number);
                until = false;
            }
            Ok(number) => numbers.push(number),
            Err(_) if word == "to" => until = true,
            Err(_) => break,
        }
    }
    numbers
}

/// The table with the tests that there are, and the cases that have a row and no test, or no row.
fn filled(table: &str, tests: &Tests) -> (String, Vec<String>) {
    let (mut text, mut wrong) = (String::new(), Vec::new());
    let mut rows = BTreeSet::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let number = cells.get(1).and_then(|cell| cell.strip_prefix("KT-")?.parse::<u32>().ok());
        let (Some(number), [_, case, what, ..]) = (number, cells.as_slice()) else {
            text += &format!("{line}\n");
            continue;
        };
        rows.insert(number);
        let names = tests.get(&number).into_iter().flatten();
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        if names.is_empty() {
            wrong.push(format!("{case} has no test: none is named kt_{number:02}_…"));
        }
        text += &format!("| {case} | {what} | {} |\n", names.join(", "));
    }
    let missing = CASES.into_iter().flatten().filter(|number| !rows.contains(number));
    wrong.extend(missing.map(|number| format!("KT-{number:02} has no row in {TABLE}")));
    (text, wrong)
}

#[test]
fn every_case_of_kubetask_has_its_test_and_the_table_names_it() -> Result<()> {
    let path = paths::root().join(TABLE);
    let table = std::fs::read_to_string(&path).with_context(|| TABLE)?;
    let (text, wrong) = filled(&table, &tests(&sources::all()?, "kt_"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text)?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(
        table == text,
        "{TABLE} is out of date: UPDATE=1 cargo test -p joch-tests --test suite"
    );
    Ok(())
}

#[test]
fn every_case_of_the_status_contract_has_its_test() -> Result<()> {
    let tests = tests(&sources::all()?, "sc_");
    let without: Vec<u32> = (1..=18).filter(|number| !tests.contains_key(number)).collect();
    ensure!(without.is_empty(), "no test is named after SC-{without:?}");
    Ok(())
}

#[test]
fn a_case_without_a_test_and_a_test_without_its_row_are_found() {
    let code =
        "#[test]\nfn kt_01_03_a() {}\n#[test]\n#[should_panic]\nfn kt_05_to_07() {}\nfn kt_02() {}";
    let tests = tests(&[sources::sample("a.rs", code)], "kt_");
    assert_eq!(tests.keys().copied().collect::<Vec<_>>(), [1, 3, 5, 6, 7]);
    let (text, wrong) =
        filled("| case | what | tests |\n| KT-01 | a | |\n| KT-02 | b | `x` |\n", &tests);
    assert!(text.contains("| KT-01 | a | `kt_01_03_a` |"), "{text}");
    let about =
        |number: u32| wrong.iter().any(|text| text.starts_with(&format!("KT-{number:02} ")));
    assert!(!about(1) && about(2) && about(3), "{wrong:?}");
}
