//! The files of the page as browsers get them: scripts and style sheets joined, under names that contain their digests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use domain::text::hex;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The scripts and style sheets that documents load. The others are parts of these.
const WHOLE: [&str; 6] = [COMPONENT, "docs.css", "docs.js", "page.css", "page.js", "styles.css"];
/// The script of the component.
const COMPONENT: &str = "activity-log.js";
/// The scripts of views that few people open. The component loads each when somebody opens the view: `import("./streams.js")`.
const LATE: [&str; 3] = ["audit.js", "policies.js", "streams.js"];

/// A file that the portal serves.
pub(crate) struct File {
    pub(crate) text: Arc<str>,
    pub(crate) digest: String,
    pub(crate) is_named_by_content: bool,
}

/// Every asset under its own name, and under one with the digest of its content in it, by which the others refer to it.
/// References are rewritten first, so a digest also stands for all that the file loads, and one name never mixes versions.
pub(crate) fn site() -> &'static BTreeMap<String, File> {
    static SITE: LazyLock<BTreeMap<String, File>> = LazyLock::new(|| {
        let mut site = BTreeMap::new();
        for name in Assets::iter().filter(|name| is_served(name)) {
            publish(&name, &mut site);
        }
        site
    });
    &SITE
}

/// Puts an asset, and before it what it refers to, into the site; the name by which to refer to it. No files refer to each
/// other in a circle (`tests/page/test_assets.py`).
fn publish(name: &str, site: &mut BTreeMap<String, File>) -> String {
    if let Some(file) = site.get(name) {
        return named(name, &file.digest);
    }
    // Libraries refer to no other file.
    let is_own = !name.starts_with("vendor/");
    let mut text = match extension(name) {
        "js" if LATE.contains(&name) => late_script(name, &content).0,
        "js" if name == COMPONENT => with_late_calls(joined_scripts(name, &content), &content),
        "js" if is_own => joined_scripts(name, &content),
        "css" if is_own => without_blanks(&joined_styles(name, &content)),
        "ftl" => without_headings(&content(name)),
        _ => content(name),
    };
    if is_own && matches!(extension(name), "html" | "js") {
        for other in Assets::iter().filter(|other| other != name && is_served(other) && is_loaded(other)) {
            for quoted in [format!("\"{other}\""), format!("\"./{other}\"")] {
                if text.contains(&quoted) {
                    let published = publish(&other, site);
                    text = text.replace(&quoted, &quoted.replace(&*other, &published));
                }
            }
        }
    }
    let digest = hex(&Sha256::digest(&text)[..8]);
    let by_content = named(name, &digest);
    let text: Arc<str> = text.into();
    if is_loaded(name) {
        let file = File { text: Arc::clone(&text), digest: digest.clone(), is_named_by_content: true };
        site.insert(by_content.clone(), file);
    }
    site.insert(name.to_owned(), File { text, digest, is_named_by_content: false });
    by_content
}

/// Returns the text of an asset; nothing for a name that is none.
fn content(name: &str) -> String {
    Assets::get(name).and_then(|asset| String::from_utf8(asset.data.into_owned()).ok()).unwrap_or_default()
}

/// Returns a script together with the parts that it imports, so that a browser makes one request instead of one for each, and
/// similar texts are compressed together. Each script keeps a scope of its own, and gives the names that it exports to those
/// after it. `tests/page/test_assets.py` keeps the scripts in the form that this reads.
fn joined_scripts(name: &str, content: &impl Fn(&str) -> String) -> String {
    let mut joined = Joined::default();
    joined.add(name, content);
    let Joined { imports, text, exports, .. } = joined;
    imports.into_iter().chain([text]).chain(exports).collect()
}

/// Returns a script that the component loads late, and the names that the script is called with.
///
/// A late script imports no part of the component, because a browser would run the part a second time, with a state of its own.
/// The script is a function instead, which gets these parts from the component and returns what the script exports.
fn late_script(name: &str, content: &impl Fn(&str) -> String) -> (String, String) {
    let mut component = Joined::default();
    component.add(COMPONENT, content);
    let mut joined = Joined { outside: component.names, ..Joined::default() };
    let exported = joined.add(name, content).join(", ");
    let Joined { imports, given, text, .. } = joined;
    let given = given.into_iter().collect::<Vec<_>>().join(", ");
    let script = format!("export default ({{ {given} }}) => {{\n{text}return {{ {exported} }};\n}};\n");
    (imports.into_iter().chain([script]).collect(), given)
}

/// Calls each late script with the parts of the component that the script uses.
fn with_late_calls(component: String, content: &impl Fn(&str) -> String) -> String {
    LATE.iter().fold(component, |text, name| {
        let import = format!("import(\"./{name}\")");
        let (_, given) = late_script(name, content);
        text.replace(&import, &format!("{import}.then((late) => late.default({{ {given} }}))"))
    })
}

#[derive(Default)]
struct Joined {
    names: BTreeSet<String>,
    /// The parts that another script has and gives.
    outside: BTreeSet<String>,
    /// What the scripts use of those parts.
    given: BTreeSet<String>,
    /// Imports of other whole files.
    imports: BTreeSet<String>,
    text: String,
    /// What the whole file exports.
    exports: Vec<String>,
}

impl Joined {
    /// Adds a script after all parts that it imports, and returns the names that the script exports.
    fn add(&mut self, name: &str, content: &impl Fn(&str) -> String) -> Vec<String> {
        if !self.names.insert(name.to_owned()) {
            return Vec::new();
        }
        let (mut body, mut exported) = (String::new(), Vec::new());
        for line in without_comments(&content(name), "js").lines() {
            if line.starts_with("import ") {
                let file = line.rsplit('"').nth(1).unwrap_or_default().trim_start_matches("./");
                if self.outside.contains(file) {
                    let names = line.split(['{', '}']).nth(1).unwrap_or_default();
                    self.given.extend(names.split(',').map(|each| each.trim().to_owned()));
                } else if is_part(file) {
                    self.add(file, content);
                } else {
                    self.imports.insert(format!("{line}\n"));
                }
            } else if line.starts_with("export {") {
                self.exports.push(format!("{line}\n"));
            } else {
                let declaration = line.strip_prefix("export ");
                exported.extend(declaration.and_then(declared));
                body.push_str(declaration.unwrap_or(line));
                body.push('\n');
            }
        }
        self.text.push_str(&if exported.is_empty() {
            // A block, in which a module may wait.
            format!("{{\n{body}}}\n")
        } else {
            let names = exported.join(", ");
            format!("const {{ {names} }} = (() => {{\n{body}return {{ {names} }};\n}})();\n")
        });
        exported
    }
}

/// Returns the name that a line declares, such as `fold` of `function fold(text) {`.
fn declared(declaration: &str) -> Option<String> {
    let words = declaration.split(|each: char| !each.is_ascii_alphanumeric() && each != '_');
    let name =
        words.filter(|word| !word.is_empty()).find(|word| !["async", "class", "const", "function"].contains(word))?;
    Some(name.to_owned())
}

/// Returns a style sheet with the parts that it imports in their places.
fn joined_styles(name: &str, content: &impl Fn(&str) -> String) -> String {
    let text = without_comments(&content(name), "css");
    let lines = text.lines().map(|line| {
        let part = line.strip_prefix("@import \"./").and_then(|rest| rest.strip_suffix("\";"));
        part.map_or_else(|| format!("{line}\n"), |part| joined_styles(part, content))
    });
    lines.collect()
}

/// Removes comments, each with a blank behind it, indentation and empty lines from a script or style sheet: a quarter of what
/// browsers would load.
fn without_comments(text: &str, extension: &str) -> String {
    let opening = if extension == "js" { "/**" } else { "/*" };
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (_, after))) =
        rest.split_once(opening).and_then(|(before, begun)| Some((before, begun.split_once("*/")?)))
    {
        kept.push_str(before);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    kept.push_str(rest);
    let lines = kept.lines().map(str::trim);
    let lines = lines.filter(|line| !(line.is_empty() || extension == "js" && line.starts_with("//")));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Removes the blanks around declarations from a style sheet. `tests/page/test_assets.py` checks that no string contains such blanks.
fn without_blanks(styles: &str) -> String {
    styles.replace(" { ", "{").replace("; }", "}").replace("; ", ";")
}

/// Removes comments and empty lines from texts. Indentation stays, because it continues a text.
fn without_headings(text: &str) -> String {
    let lines = text.lines().filter(|line| !(line.is_empty() || line.starts_with('#')));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Whether browsers get it. Declarations of types are for the compiler that checks the scripts.
fn is_served(name: &str) -> bool {
    !name.ends_with(".d.ts") && !is_part(name)
}

/// Whether it is served within another file.
fn is_part(name: &str) -> bool {
    matches!(extension(name), "js" | "css")
        && !name.starts_with("vendor/")
        && !WHOLE.contains(&name)
        && !LATE.contains(&name)
}

/// Whether others load it, rather than people or programs by a name that stays.
fn is_loaded(name: &str) -> bool {
    matches!(extension(name), "js" | "css" | "ftl" | "svg")
}

fn named(name: &str, digest: &str) -> String {
    let extension = extension(name);
    format!("{}.{digest}.{extension}", name.strip_suffix(&format!(".{extension}")).unwrap_or(name))
}

/// Returns the ending of a name, without its dot.
pub(crate) fn extension(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_is_text_with_a_media_type() {
        for name in Assets::iter().filter(|name| is_served(name)) {
            let is_plain = matches!(extension(&name), "ftl" | "txt");
            assert!(is_plain || !crate::media_type(&name).starts_with("text/plain"), "{name}");
            assert!(!content(&name).is_empty(), "{name}");
        }
    }

    #[test]
    fn comments_indentation_and_empty_lines_are_not_served() {
        let script = "// Reads.\n/** A number.\n * @type {number} */\nconst one = 1;\n\n  f(/** @type {any} */ (one), \"https://x\"); // Why.\n";
        assert_eq!(without_comments(script, "js"), "const one = 1;\nf((one), \"https://x\"); // Why.\n");
        assert_eq!(without_comments("/* Wide. */\na {\n  b: c;\n}\n", "css"), "a {\nb: c;\n}\n");
        assert_eq!(without_comments("a /** open", "js"), "a /** open\n");
        assert_eq!(without_blanks("a { b: c; d: \"e\"; }\n@media f {\n"), "a{b: c;d: \"e\"}\n@media f {\n");
        let texts = "### All\n\none = One\n# Two\ntwo =\n    { $n ->\n       *[other] #2\n    }\n";
        assert_eq!(without_headings(texts), "one = One\ntwo =\n    { $n ->\n       *[other] #2\n    }\n");
    }

    #[test]
    fn a_script_is_served_after_all_parts_that_it_imports_each_once() {
        let scripts = |name: &str| {
            let text = match name {
                "page.js" => {
                    "import \"./activity-log.js\";\nimport { two } from \"./two.js\";\nimport { one } from \"./one.js\";\none(two);\nexport { two };\n"
                }
                "two.js" => {
                    "import { one } from \"./one.js\";\nimport { a } from \"./vendor/a.js\";\nexport const two = one(a);\n"
                }
                "one.js" => {
                    "const own = 1;\nexport async function one(x) {\n  return own + x;\n}\nexport class Three {}\n"
                }
                other => panic!("{other} is no part"),
            };
            text.to_owned()
        };
        let joined = [
            "import \"./activity-log.js\";\nimport { a } from \"./vendor/a.js\";\n",
            "const { one, Three } = (() => {\nconst own = 1;\nasync function one(x) {\nreturn own + x;\n}\nclass Three {}\n",
            "return { one, Three };\n})();\n",
            "const { two } = (() => {\nconst two = one(a);\nreturn { two };\n})();\n",
            "{\none(two);\n}\nexport { two };\n",
        ];
        assert_eq!(joined_scripts("page.js", &scripts), joined.concat());
    }

    #[test]
    fn a_late_script_gets_the_parts_of_the_component() {
        let scripts = |name: &str| {
            let text = match name {
                COMPONENT => {
                    "import { one } from \"./one.js\";\nasync function open() {\n  const { Late } = await import(\"./streams.js\");\n}\n"
                }
                "one.js" => "export const one = 1;\nexport const two = 2;\n",
                "own.js" => "import { two } from \"./one.js\";\nexport const own = two;\n",
                "streams.js" => {
                    "import { one, two } from \"./one.js\";\nimport { own } from \"./own.js\";\nexport class Late {}\n"
                }
                _ => "export class Other {}\n",
            };
            text.to_owned()
        };
        let (script, given) = late_script("streams.js", &scripts);
        assert_eq!(given, "one, two");
        let lines = [
            "export default ({ one, two }) => {",
            "const { own } = (() => {\nconst own = two;\nreturn { own };\n})();",
            "const { Late } = (() => {\nclass Late {}\nreturn { Late };\n})();",
            "return { Late };\n};\n",
        ];
        assert_eq!(script, lines.join("\n"));
        let component = with_late_calls(joined_scripts(COMPONENT, &scripts), &scripts);
        let call = "await import(\"./streams.js\").then((late) => late.default({ one, two }));";
        assert!(component.contains(call), "{component}");
    }

    #[test]
    fn a_style_sheet_is_served_with_its_parts_in_their_order() {
        let sheets = |name: &str| match name {
            "styles.css" => "/* All. */\n@import \"./b.css\";\n@import \"./a.css\";\n".to_owned(),
            name => format!(".{} {{ color: red; }}\n", name.trim_end_matches(".css")),
        };
        assert_eq!(joined_styles("styles.css", &sheets), ".b { color: red; }\n.a { color: red; }\n");
    }

    #[test]
    fn no_part_is_missing_or_served_alone() {
        for name in Assets::iter().filter(|name| is_part(name)) {
            assert!(!site().contains_key(&*name), "{name}");
            let scripts = [&[COMPONENT, "page.js"], &LATE[..]].concat();
            let whole = if extension(&name) == "js" { scripts } else { vec!["styles.css"] };
            let first = without_comments(&content(&name), extension(&name));
            let first =
                first.lines().find(|line| !line.starts_with("import ") && !line.starts_with("@import")).unwrap();
            let line = first.strip_prefix("export ").unwrap_or(first);
            let line = if extension(&name) == "css" { without_blanks(line) } else { line.to_owned() };
            assert!(whole.iter().any(|whole| site()[*whole].text.contains(&line)), "{name}");
        }
    }

    #[test]
    fn every_loaded_file_is_named_by_its_content() {
        let loaded: Vec<_> = Assets::iter().filter(|name| is_loaded(name)).collect();
        for (name, file) in site() {
            assert!(file.is_named_by_content || !name.contains(&file.digest), "{name}");
            for other in &loaded {
                assert!(!file.text.contains(&format!("\"./{other}\"")), "{name} loads {other} by a name that stays");
            }
        }
        let page = &site()["index.html"].text;
        assert!(page.contains(&format!("src=\"{}\"", named("page.js", &site()["page.js"].digest))));
    }
}
