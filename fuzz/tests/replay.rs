//! Every input that is kept, through its target.

use std::panic::catch_unwind;

use cossistant_fuzz::{TARGETS, Target, corpus};

/// Runs an input; gives its line when it breaks a promise, of which the panic tells more.
fn broken(target: &Target, input: &[u8]) -> Option<String> {
    catch_unwind(|| (target.run)(input)).is_err().then(|| format!("{}: {}", target.name, corpus::to_line(input)))
}

#[test]
fn no_kept_input_breaks_a_promise() {
    let mut broken_by = Vec::new();
    for target in TARGETS {
        let inputs = corpus::all(target).expect("the kept inputs can be read");
        assert!(inputs.len() > 5, "{} has hardly an input", target.name);
        broken_by.extend(inputs.iter().filter_map(|input| broken(target, input)));
    }
    assert!(broken_by.is_empty(), "promises are broken by\n{}", broken_by.join("\n"));
}

/// What the fuzzer would do to the seeds, without its feedback: few steps, but on every machine.
#[test]
fn changed_seeds_break_no_promise() {
    let mut broken_by = Vec::new();
    for target in TARGETS {
        let Some(change) = target.change else { continue };
        for (seed, input) in (0_u64..).zip((target.seeds)()) {
            let mut dice = cossistant_fuzz::Dice::new(seed);
            let mut changed = change(&input, &mut dice);
            for _ in 0..3 {
                changed = change(&changed, &mut dice);
                broken_by.extend(broken(target, &changed));
            }
        }
    }
    assert!(broken_by.is_empty(), "promises are broken by\n{}", broken_by.join("\n"));
}

#[test]
fn lines_come_back() {
    let all: Vec<u8> = (0..=255).collect();
    for input in [&all[..], b"", b"\\", b" a ", b"#", b"\n#\n", b"x"] {
        let line = corpus::to_line(input);
        assert!(line.trim() == line && !line.is_empty() && !line.starts_with('#') && !line.contains('\n'), "{line:?}");
        assert_eq!(corpus::from_line(&line).as_deref(), Some(input));
    }
    for wrong in ["\\y", "\\x", "\\x1", "\\xzz"] {
        assert_eq!(corpus::from_line(wrong), None, "{wrong}");
    }
}

#[test]
fn every_kept_file_is_of_a_target() {
    for folder in ["corpus", "regressions"] {
        for entry in std::fs::read_dir(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap();
            assert!(Target::named(name).is_some(), "{}", path.display());
        }
    }
}
