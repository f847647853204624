//! Interned names: variables, dotted library paths and resources are small integers during the analysis.

use rustc_hash::FxHashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

#[derive(Default)]
pub struct Names {
    ids: FxHashMap<String, Name>,
    texts: Vec<String>,
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(&name) = self.ids.get(text) {
            return name;
        }
        let name = Name(self.texts.len() as u32);
        self.ids.insert(text.to_owned(), name);
        self.texts.push(text.to_owned());
        name
    }

    pub fn get(&self, text: &str) -> Option<Name> {
        self.ids.get(text).copied()
    }

    pub fn text(&self, name: Name) -> &str {
        &self.texts[name.0 as usize]
    }

    /// The interned path `base.attribute`.
    pub fn join(&mut self, base: Name, attribute: &str) -> Name {
        let path = format!("{}.{attribute}", self.text(base));
        self.intern(&path)
    }
}
