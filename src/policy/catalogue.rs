//! Where policy files come from: the catalogue in the program, or files of the user.
//! Nothing is interpreted here but `include`.

use std::path::Path;

use crate::config::{
    Diagnostic, Diagnostics, Document, Located, Problems, Source, nearest, quoted,
};

/// Name of the catalogue in the program.
pub const BUILTIN: &str = "configmgr";

/// More files than this are refused; the built-in catalogue has eight.
const MAX_FILES: usize = 64;

const ROOT: &str = "configmgr.toml";

/// Name and text of each file.
const EMBEDDED: [(&str, &str); 8] = [
    (ROOT, include_str!("catalogue/configmgr.toml")),
    ("roles.toml", include_str!("catalogue/roles.toml")),
    ("2017-09.toml", include_str!("catalogue/2017-09.toml")),
    ("2018-09.toml", include_str!("catalogue/2018-09.toml")),
    ("2020-04.toml", include_str!("catalogue/2020-04.toml")),
    (
        "client-firewall.toml",
        include_str!("catalogue/client-firewall.toml"),
    ),
    (
        "client-ports.toml",
        include_str!("catalogue/client-ports.toml"),
    ),
    ("scenarios.toml", include_str!("catalogue/scenarios.toml")),
];

/// The part of a file in a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Names the catalogue and its files.
    Root,
    /// Named by the root.
    Included,
    /// Adds to the catalogue from outside.
    Extension,
}

/// The files of a catalogue, the root first, in the order of `include`.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Every file that could be read.
    pub files: Vec<(Part, Source)>,
    /// Those that could not.
    pub unreadable: Diagnostics,
}

impl Files {
    /// The catalogue of that name, or of that file below `base`.
    pub fn of(catalogue: &str, base: &Path) -> Self {
        if catalogue == BUILTIN {
            return Self::builtin();
        }
        let path = base.join(catalogue);
        match Source::read(&path) {
            Ok(root) => Self::of_root(&root, &path),
            Err(mut unreadable) => {
                let near = nearest(catalogue, [BUILTIN]).is_some();
                for entry in &mut unreadable.entries {
                    entry.help = Some(if near {
                        format!("did you mean `{BUILTIN}`?")
                    } else {
                        format!("a catalogue is `{BUILTIN}` or the path of a policy file")
                    });
                }
                Self {
                    files: Vec::new(),
                    unreadable,
                }
            }
        }
    }

    /// The files in the program.
    pub fn builtin() -> Self {
        let embedded = |name: &str| {
            let found = EMBEDDED.iter().find(|(known, _)| *known == name);
            found.map(|(name, text)| Source::new(format!("{BUILTIN}/{name}"), *text))
        };
        let mut all = Self::default();
        let Some(root) = embedded(ROOT) else {
            return all;
        };
        let included = included(&root);
        all.files.push((Part::Root, root));
        for name in included {
            match embedded(&name.value) {
                Some(source) => all.files.push((Part::Included, source)),
                None => all.unreadable.entries.push(Diagnostic::of_file(
                    &name.value,
                    format!("the file is not part of `{BUILTIN}`"),
                    None,
                )),
            }
        }
        all
    }

    /// A catalogue of the user.
    pub fn of_root(root: &Source, path: &Path) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        let included = included(root);
        let problems = Problems::new(root);
        let mut all = Self::default();
        all.files.push((Part::Root, root.clone()));
        for name in &included {
            let known = all.unreadable.entries.len();
            all.add(Part::Included, &folder.join(&name.value));
            // A file that can't be read has no line: the one that names it has.
            let found = all.unreadable.entries.split_off(known);
            for entry in found {
                if entry.line > 0 {
                    all.unreadable.entries.push(entry);
                } else {
                    let message = format!("{}: {}", quoted(&name.value), entry.message);
                    problems.error_with_help(name.span.clone(), message, entry.help);
                }
            }
        }
        all.unreadable.append(problems.finish());
        all
    }

    /// Reads one more file.
    pub fn add(&mut self, part: Part, path: &Path) {
        if self.files.len() == MAX_FILES {
            let name = path.display().to_string();
            let message = format!("a policy has at most {MAX_FILES} files");
            let diagnostic = Diagnostic::of_file(&name, message, None);
            self.unreadable.entries.push(diagnostic);
            return;
        }
        match Source::read(path) {
            Ok(source) => self.files.push((part, source)),
            Err(diagnostics) => self.unreadable.append(diagnostics),
        }
    }
}

/// The files that a root names. What is wrong with it is reported when it is read in earnest.
fn included(root: &Source) -> Vec<Located<String>> {
    let unreported = Problems::new(root);
    let document = Document::parse(&unreported);
    let names = document.root(&unreported).strings("include");
    let owned = |name: Located<&str>| Located {
        value: name.value.to_owned(),
        span: name.span,
    };
    names.into_iter().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_embedded_file_once() {
        let all = Files::builtin();
        assert_eq!(all.unreadable, Diagnostics::default());
        let mut names: Vec<&str> = all.files.iter().map(|(_, file)| file.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EMBEDDED.len());
    }

    #[test]
    fn says_what_a_catalogue_is() {
        let missing = Files::of("configmgt", Path::new("no/such"));
        let help = missing.unreadable.entries[0].help.as_deref();
        assert_eq!(help, Some("did you mean `configmgr`?"));
        let missing = Files::of("mine.toml", Path::new("no/such"));
        let help = missing.unreadable.entries[0].help.as_deref();
        assert_eq!(
            help,
            Some("a catalogue is `configmgr` or the path of a policy file")
        );
    }
}
