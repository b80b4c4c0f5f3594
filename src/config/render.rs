//! Diagnostics for people: the line, a mark under the place, and what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Excerpt, Severity};
use super::text::printable;

impl Diagnostics {
    /// Every diagnostic with its line, separated by blank lines, with a line break at the end;
    /// empty where there are none. `color` adds terminal colours.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push('\n');
            }
            out.push_str(&renderer.render(&[group(entry)]));
            out.push('\n');
        }
        out
    }
}

fn group(entry: &Diagnostic) -> Group<'_> {
    let level = match entry.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(entry.message.as_str());
    let origin = Origin::path(printable(&entry.file));
    let mut group = match &entry.excerpt {
        None => title.element(origin),
        // The renderer counts columns in the text it is given: a line that was cut at its
        // beginning gets its place named apart.
        Some(excerpt) if excerpt.cut => title
            .element(origin.line(entry.line).char_column(entry.column))
            .element(snippet(entry, excerpt)),
        Some(excerpt) => title.element(snippet(entry, excerpt).path(printable(&entry.file))),
    };
    if let Some(help) = &entry.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

fn snippet<'a>(entry: &Diagnostic, excerpt: &'a Excerpt) -> Snippet<'a, Annotation<'a>> {
    Snippet::source(excerpt.text.as_str())
        .line_start(entry.line)
        .annotation(AnnotationKind::Primary.span(excerpt.span.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problems, Source};

    fn example() -> Diagnostics {
        let source = Source::new(
            "site.toml",
            "version = 1\n[roles]\n\tsite-sever = \"\u{1b}[2J\"\n",
        );
        let problems = Problems::new(&source);
        problems.error_with_help(
            21..31,
            "unknown role `site-sever`",
            Some("did you mean `site-server`?".to_owned()),
        );
        problems.finish()
    }

    #[test]
    fn shows_the_line_and_the_place() {
        assert_eq!(
            example().render(false),
            "\
error: unknown role `site-sever`
 --> site.toml:3:2
  |
3 |  site-sever = \"\u{fffd}[2J\"
  |  ^^^^^^^^^^
  |
  = help: did you mean `site-server`?
"
        );
    }

    #[test]
    fn names_the_true_column_of_a_cut_line() {
        let source = Source::new("site.toml", format!("a = '{}'", "ü".repeat(2000)));
        let problems = Problems::new(&source);
        problems.error(1005..1007, "wrong");
        let text = problems.finish().render(false);
        assert!(text.contains("--> site.toml:1:506\n"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() < 300),
            "{text}"
        );
    }

    #[test]
    fn colours_only_when_asked_and_lets_no_escape_through() {
        assert!(!example().render(false).contains('\u{1b}'));
        let colored = example().render(true);
        assert!(colored.contains("\u{1b}["));
        assert!(!colored.contains("\u{1b}[2J"));
    }

    #[test]
    fn names_a_file_without_a_place() {
        let whole = Diagnostic::of_file("site.toml", "the file can't be read".to_owned(), None);
        let text = Diagnostics::from(whole).render(false);
        assert!(text.contains("error: the file can't be read"), "{text}");
        assert!(text.contains("--> site.toml\n"), "{text}");
        assert_eq!(Diagnostics::default().render(true), "");
    }
}
