//! Which room may use which: read from the paths in the sources, as the grammar has them. What only tests use is left
//! out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, UseTree,
    visit::{self, Visit},
};

use super::sources;

/// A module by the names that lead to it from the crate.
type Module = Vec<String>;

/// What each room may use beside itself. The order is the direction in which data walks: nobody uses who stands below.
const MAY: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("crash", &[]),
    ("shutdown", &[]),
    ("hashing", &[]),
    ("inherited", &[]),
    ("network", &[]),
    ("passwords", &["api"]),
    ("tokens", &["api"]),
    ("fingerprints", &["api", "hashing", "tokens"]),
    ("domain", &["api", "passwords", "tokens"]),
    ("application", &["api", "domain", "network"]),
    ("engine", &["api", "domain", "hashing", "network", "passwords"]),
    ("pass", &["api", "application", "crash", "domain", "engine", "fingerprints", "network", "tokens"]),
    ("server", &["api"]),
    ("telemetry", &["domain", "engine"]),
    (
        "controller",
        &[
            "api",
            "crash",
            "domain",
            "engine",
            "fingerprints",
            "network",
            "pass",
            "server",
            "shutdown",
            "tokens",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "application",
            "controller",
            "domain",
            "engine",
            "network",
            "pass",
            "server",
            "shutdown",
            "telemetry",
            "tokens",
        ],
    ),
];

/// What one file says.
struct File {
    module: Module,
    tree: syn::File,
    /// Modules that it declares in files of their own.
    children: BTreeSet<String>,
}

/// The modules of the library, without those of tests.
fn files() -> Vec<File> {
    let mut files = Vec::new();
    for (path, text) in sources("src") {
        let name = path.with_extension("").to_string_lossy().replace('\\', "/");
        let mut module: Module = name.split('/').skip(1).map(str::to_owned).collect();
        if module.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
            module.pop();
        }
        if module == ["main"] || module.iter().any(|part| part == "tests") {
            continue;
        }
        let tree = syn::parse_file(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let children = tree.items.iter().filter_map(|item| match item {
            Item::Mod(one) if one.content.is_none() => Some(one.ident.to_string()),
            _ => None,
        });
        files.push(File { module, children: children.collect(), tree });
    }
    files
}

/// Collects the modules that one file uses.
struct Reader<'a> {
    file: &'a File,
    modules: &'a BTreeSet<Module>,
    /// The file's module, and modules inside of the file.
    here: Module,
    /// Modules that the file's `use` gives a name of their own.
    named: BTreeMap<String, Module>,
    used: BTreeSet<Module>,
}

impl Reader<'_> {
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut rest = path.iter();
        let first = rest.next()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => self.here.clone(),
            "super" => self.here[..self.here.len().checked_sub(1)?].to_vec(),
            name if self.here == self.file.module && self.file.children.contains(name) => {
                [&self.here[..], &[name.to_owned()]].concat()
            }
            name => self.named.get(name)?.clone(),
        };
        for part in rest {
            if part == "super" {
                at.pop();
            } else {
                at.push(part.clone());
            }
        }
        Some(at)
    }

    /// The file that a path leads to.
    fn uses(&mut self, path: &[String]) {
        let Some(mut at) = self.absolute(path) else { return };
        while !self.modules.contains(&at) && !at.is_empty() {
            at.pop();
        }
        if at != self.file.module && !at.is_empty() {
            self.used.insert(at);
        }
    }

    fn imports(&mut self, tree: &UseTree, before: &mut Vec<String>, passed_on: bool) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.imports(&path.tree, before, passed_on);
                before.pop();
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.imports(tree, before, passed_on);
                }
            }
            UseTree::Glob(_) => self.uses(&before.clone()),
            UseTree::Name(name) => self.import(&name.ident, None, before, passed_on),
            UseTree::Rename(rename) => {
                self.import(&rename.ident, Some(rename.rename.to_string()), before, passed_on);
            }
        }
    }

    fn import(&mut self, name: &syn::Ident, alias: Option<String>, before: &[String], passed_on: bool) {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name.to_string());
        }
        // A module counts where something of it is used.
        match self.absolute(&path) {
            Some(module) if self.modules.contains(&module) && !passed_on => {
                let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
                self.named.insert(name, module);
            }
            _ => self.uses(&path),
        }
    }

    /// Paths among the tokens of a macro's call.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut colons): (Vec<String>, u8) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 || path.is_empty() {
                        self.path_ends(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.path_ends(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path_ends(&mut path);
    }

    fn path_ends(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.uses(path);
        }
        path.clear();
    }
}

/// Whether an item is compiled for tests alone.
pub(super) fn of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        one.path().is_ident("cfg")
            && matches!(&one.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

/// First what is imported, since it may stand behind its use.
struct Imports<'a, 'b>(&'b mut Reader<'a>);

impl<'ast> Visit<'ast> for Imports<'_, '_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if of_tests(&item.attrs) {
            return;
        }
        self.0.here.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.0.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let passed_on = !matches!(item.vis, syn::Visibility::Inherited);
        if !of_tests(&item.attrs) {
            self.0.imports(&item.tree, &mut Vec::new(), passed_on);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Use(_) => return,
            Item::Fn(one) => &one.attrs,
            Item::Impl(one) => &one.attrs,
            Item::Mod(one) => &one.attrs,
            Item::Struct(one) => &one.attrs,
            Item::Const(one) => &one.attrs,
            _ => &Vec::new(),
        };
        if !of_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.here.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.here.pop();
    }

    /// Where something may be seen is not what it uses.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 && path.leading_colon.is_none() {
            self.uses(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, one: &'ast Macro) {
        self.visit_path(&one.path);
        self.tokens(one.tokens.clone());
    }
}

/// Each file, and the files that it uses.
fn used() -> BTreeMap<Module, BTreeSet<Module>> {
    let files = files();
    let modules: BTreeSet<Module> = files.iter().map(|file| file.module.clone()).collect();
    let mut all = BTreeMap::new();
    for file in &files {
        let mut reader = Reader {
            file,
            modules: &modules,
            here: file.module.clone(),
            named: BTreeMap::new(),
            used: BTreeSet::new(),
        };
        Imports(&mut reader).visit_file(&file.tree);
        reader.visit_file(&file.tree);
        all.insert(file.module.clone(), reader.used);
    }
    all
}

fn shown(module: &[String]) -> String {
    module.join("/")
}

#[test]
fn rooms_use_each_other_in_one_direction() {
    let rooms: BTreeSet<&str> = MAY.iter().map(|(room, _)| *room).collect();
    for (from, all) in used() {
        let Some(room) = from.first() else { continue };
        let (_, may) = MAY
            .iter()
            .find(|(one, _)| one == room)
            .unwrap_or_else(|| panic!("{room} is in no order: say here what it may use"));
        for to in all {
            let other = to[0].as_str();
            assert!(rooms.contains(other), "{other}");
            assert!(
                other == room || may.contains(&other),
                "src/{} uses {}: {room} may not know {other}",
                shown(&from),
                shown(&to)
            );
        }
    }
    // And the order has no circle of its own.
    for (at, (room, may)) in MAY.iter().enumerate() {
        for other in *may {
            let there = MAY.iter().position(|(one, _)| one == other);
            assert!(there.is_some_and(|there| there < at), "{room} may use {other}, which stands below it");
        }
    }
}

/// A parent and its own child are read together.
fn of_one_family(one: &[String], other: &[String]) -> bool {
    let parent = |module: &[String]| module.split_last().map(|(_, parent)| parent.to_vec());
    parent(one).as_deref() == Some(other) || parent(other).as_deref() == Some(one)
}

/// Files that lead to each other, each list once: the strongly connected components of more than one file.
fn circles(used: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<BTreeSet<Module>> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = used
        .keys()
        .map(|from| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(at) = next.pop() {
                for to in used.get(at).into_iter().flatten() {
                    if !of_one_family(at, to) && reached.insert(to) {
                        next.push(to);
                    }
                }
            }
            (from, reached)
        })
        .collect();
    let mut circles: Vec<BTreeSet<Module>> = Vec::new();
    for (from, reached) in &reach {
        if !reached.contains(from) || circles.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let back = reached.iter().filter(|to| reach.get(*to).is_some_and(|there| there.contains(from)));
        circles.push(back.map(|one| (*one).clone()).collect());
    }
    circles
}

#[test]
fn no_file_leads_back_to_itself_but_by_its_own_parent_or_child() {
    let used = used();
    let told: Vec<String> = circles(&used)
        .iter()
        .map(|circle| {
            let edges = circle.iter().map(|from| {
                let within = used[from].iter().filter(|to| circle.contains(*to) && !of_one_family(from, to));
                format!(
                    "  {} uses {}",
                    shown(from),
                    within.map(|to| shown(to)).collect::<Vec<_>>().join(", ")
                )
            });
            format!("{} files:\n{}", circle.len(), edges.collect::<Vec<_>>().join("\n"))
        })
        .collect();
    assert!(
        told.is_empty(),
        "files that lead back to themselves: read one, and you must read all.\n{}",
        told.join("\n")
    );
}

#[test]
fn whoever_asks_a_database_knows_no_kind_of_it() {
    for (from, all) in used() {
        if from.first().is_none_or(|room| room == "engine") {
            continue;
        }
        for to in all {
            assert!(
                !to.starts_with(&["engine".to_owned(), "postgres".to_owned()]),
                "src/{} uses {}: outside of the engine its traits and types are used alone",
                shown(&from),
                shown(&to)
            );
        }
    }
}
