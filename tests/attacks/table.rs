//! The table of attacks in SECURITY.md names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Tests that the table names, as `module::name`.
fn named() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("## Attacks tried").expect("the table has its heading");
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.trim_end_matches('|').rsplit('|').next());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_attack_names_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let named = named();
    assert!(named.len() > 30, "{named:?}");
    for test in named {
        let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test} has no module"));
        let (file, function) = (module.replace("::", "/"), format!("fn {name}("));
        let is_there = files.iter().any(|path| {
            let path_fits =
                path.with_extension("").ends_with(&file) || path.ends_with(format!("{file}/mod.rs"));
            let text = || fs::read_to_string(path).unwrap();
            // Tests beside the code stand in the file itself.
            let within = module.rsplit_once("::").filter(|(_, last)| *last == "tests").map(|(file, _)| file);
            let beside =
                within.is_some_and(|file| path.with_extension("").ends_with(file.replace("::", "/")));
            (path_fits || beside) && text().contains(&function)
        });
        assert!(is_there, "no test is called {test}");
    }
}
