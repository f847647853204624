//! Evaluation of expressions to abstract values.

use ruff_python_ast::{Expr, UnaryOp};
use ruff_text_size::{Ranged, TextRange};
use smallvec::smallvec;

use super::analyzer::Analyzer;
use super::arguments::Arguments;
use super::knowledge::{PartFacts, TypeFacts};
use super::methods::MethodKind;
use super::names::{Name, top_level};
use super::scope::ScopeKind;
use super::value::{Parts, TuplePart, Type, Value};
use crate::fault::{Fault, planted};

impl<'a> Analyzer<'a> {
    pub fn evaluate(&mut self, expr: &'a Expr) -> Value {
        match expr {
            Expr::Name(name) => {
                let value = self.read(&name.id, name.range());
                if let Type::Library(path) = value.ty
                    && !self.environment.module_states.is_empty()
                {
                    let path = self.facts.text(path).to_owned();
                    self.use_member(&path, name.range());
                }
                value
            }
            Expr::Attribute(attribute) => {
                let owner = self.evaluate(&attribute.value);
                self.attribute(&owner, &attribute.attr, attribute.range())
            }
            Expr::Subscript(subscript) => {
                let owner = self.evaluate(&subscript.value);
                let index = self.evaluate(&subscript.slice);
                self.subscript(&owner, &subscript.slice, &index, subscript.range())
            }
            Expr::Call(call) => self.call(call),
            Expr::BinOp(op) => {
                let left = self.evaluate(&op.left);
                let right = self.evaluate(&op.right);
                self.binary(op.op, &left, &right, op.range())
            }
            Expr::UnaryOp(op) => {
                let value = self.evaluate(&op.operand);
                let given = self.operate(&[&value], op.range());
                if op.op == UnaryOp::Not { Value::immutable() } else { self.operated(&[&value], &given, false) }
            }
            Expr::BoolOp(op) => self.connective(op),
            Expr::Compare(compare) => self.comparison(compare),
            Expr::If(choice) => self.choice(choice),
            Expr::Named(named) => {
                let value = self.evaluate(&named.value);
                if let Expr::Name(name) = named.target.as_ref()
                    && !planted(Fault::WalrusMissed)
                {
                    self.bind_text(&name.id, value.clone());
                }
                value.named()
            }
            Expr::Tuple(tuple) => self.display(&tuple.elts, "tuple"),
            Expr::List(list) => self.display(&list.elts, "list"),
            Expr::Set(set) => self.display(&set.elts, "set"),
            Expr::Dict(dict) => self.dict_display(dict),
            Expr::Starred(starred) => {
                let value = self.evaluate(&starred.value);
                self.iterate(&value, starred.range())
            }
            Expr::ListComp(c) => {
                let scope = self.scope_of(ScopeKind::ListComprehension, c.range());
                self.comprehension(scope, &c.generators, &[&c.elt], "list")
            }
            Expr::SetComp(c) => {
                let scope = self.scope_of(ScopeKind::SetComprehension, c.range());
                self.comprehension(scope, &c.generators, &[&c.elt], "set")
            }
            Expr::DictComp(c) => {
                let scope = self.scope_of(ScopeKind::DictComprehension, c.range());
                self.comprehension(scope, &c.generators, &[&c.key, &c.value], "dict")
            }
            Expr::Generator(generator) => self.generator(generator),
            Expr::Lambda(lambda) => self.define_lambda(lambda),
            Expr::Await(inner) => {
                let value = self.evaluate(&inner.value);
                self.iterate(&value, inner.range())
            }
            Expr::Yield(inner) => {
                if let Some(value) = &inner.value {
                    let value = self.evaluate(value);
                    self.give_back(&value);
                }
                self.fresh(Type::Unknown)
            }
            Expr::YieldFrom(inner) => {
                let value = self.evaluate(&inner.value);
                let element = self.iterate(&value, inner.range());
                self.give_back(&element);
                self.fresh(Type::Unknown)
            }
            Expr::FString(string) => self.formatted(string),
            Expr::TString(string) => self.template(string),
            Expr::StringLiteral(string) => Value::text(string.value.to_str()),
            Expr::NoneLiteral(_) => Value::none(),
            Expr::BytesLiteral(_) | Expr::NumberLiteral(_) | Expr::BooleanLiteral(_) | Expr::EllipsisLiteral(_) => {
                Value::immutable()
            }
            Expr::Slice(slice) => {
                for part in [&slice.lower, &slice.upper, &slice.step].into_iter().flatten() {
                    self.evaluate(part);
                }
                Value::immutable()
            }
            Expr::IpyEscapeCommand(command) => {
                self.escape_command(command.kind, &command.value, command.range());
                self.fresh_scalars(Type::Unknown)
            }
        }
    }

    pub fn is_path(&self, value: &Value) -> bool {
        matches!(value.ty, Type::Instance(path) if self.facts.text(path).starts_with("pathlib."))
    }

    pub fn type_path(&self, value: &Value) -> Option<&str> {
        match value.ty {
            Type::Instance(path) => Some(self.facts.text(path)),
            _ => None,
        }
    }

    /// The first of a library's type and those that it is based on for which `question` has an answer.
    pub fn of_named_type<T>(&self, path: Name, question: impl Fn(&'static TypeFacts) -> Option<T>) -> Option<T> {
        self.facts.names.lineage(path, self.knowledge).iter().find_map(|facts| question(facts))
    }

    /// The same of a value's type.
    pub fn of_type<T>(&self, value: &Value, question: impl Fn(&'static TypeFacts) -> Option<T>) -> Option<T> {
        match value.ty {
            Type::Instance(path) => self.of_named_type(path, question),
            _ => None,
        }
    }

    pub fn is_collection(&self, value: &Value) -> bool {
        self.type_path(value).is_some_and(|path| matches!(path, "list" | "tuple" | "dict" | "set" | "frozenset"))
    }

    pub fn has_pure_operators(&self, value: &Value) -> bool {
        value.is_constant() || self.is_path(value)
    }

    /// Gets an attribute, element or slice, with the effects that the knowledge base says it has.
    pub fn access(&mut self, owner: &Value, facts: &'static PartFacts, range: TextRange) -> Value {
        self.apply_effects(&facts.0, Some(owner), &Arguments::default(), range);
        self.part(owner, facts)
    }

    /// An attribute, element or slice as the knowledge base describes it.
    pub fn part(&mut self, owner: &Value, facts: &PartFacts) -> Value {
        let made = match facts.type_path() {
            Some("self") => return owner.clone(),
            Some(path) if path.starts_with("like:") => self.fresh(owner.ty),
            Some(path) => self.typed(path),
            None => self.fresh(Type::Unknown),
        };
        if made.is_immutable() {
            return made;
        }
        let ty = made.ty;
        let mut part = match facts.shares() {
            None => {
                self.keep_classes(&made, std::iter::once(owner));
                made
            }
            Some(_) if owner.objects.is_empty() => Value { objects: smallvec![], ..made },
            Some(view) => {
                if view {
                    self.mark_view(owner);
                }
                let mut part = if ty == Type::Unknown {
                    self.inside(owner)
                } else {
                    // A slice of a list holds what the list does.
                    if ty != owner.ty {
                        self.note_held(owner, &[owner.ty], None, &[ty]);
                    }
                    owner.part(ty)
                };
                self.spread(&mut part, owner);
                part
            }
        };
        part.parts = self.parts(&facts.0, &[&facts.0], &part, Some(owner), &Arguments::default());
        part
    }

    /// A later change through one name may not reach the other once both were pickled.
    pub fn mark_view(&mut self, value: &Value) {
        for &object in &value.objects {
            let frame = self.frame();
            frame.heap.class(object).view = true;
        }
    }

    /// What iterating gives, without consuming anything: of a dict, its keys.
    pub fn yielded(&mut self, value: &Value) -> Value {
        if self.gives_plain_keys(value) { Value::immutable() } else { self.element(value) }
    }

    /// What `value[...]`, iteration or an attribute may give, without consuming anything.
    pub fn element(&mut self, value: &Value) -> Value {
        if value.is_constant() || self.holds_scalars(value) {
            return Value::immutable();
        }
        match value.parts.as_deref() {
            Some(Parts::Tuples(parts)) => {
                let parts = parts.iter().map(|part| match part {
                    TuplePart::Immutable => Value::immutable(),
                    TuplePart::Element(value) => self.yielded(value).named(),
                    TuplePart::Held(value) if self.holds_scalars(value) => Value::immutable(),
                    TuplePart::Held(value) => self.inside(value),
                });
                let parts = parts.collect();
                return self.tuple(parts);
            }
            Some(Parts::New(made)) => return made.clone(),
            Some(&Parts::Alike { ty: Type::Immutable, .. }) => return Value::immutable(),
            Some(&Parts::Alike { ty, .. }) if ty != Type::Unknown => {
                let part = self.inside(value);
                if !self.has_shell(&part, ty) {
                    self.learn(&part, ty);
                }
                return Value { ty, ..part };
            }
            _ => {}
        }
        match self.of_type(value, |t| t.iterate.as_ref()) {
            Some(facts) => self.part(value, facts),
            None => self.inside(value),
        }
    }

    /// Iterates a value: an iterator, or a value of unknown type, is consumed by it.
    pub fn iterate(&mut self, value: &Value, range: TextRange) -> Value {
        if let Some(types) = self.iterable_types(value) {
            let elements = types.into_iter().map(|ty| self.iterate(&value.part(ty), range));
            let elements: Vec<Value> = elements.collect();
            return elements.into_iter().reduce(|a, b| a.join(&b)).unwrap_or_else(Value::immutable);
        }
        self.operate(&[value], range);
        if let Type::Object(class) = value.ty
            && let Some((method, MethodKind::Plain)) = self.method_kind(class, "__iter__")
        {
            let iterator = self.call_function(method, value, Some(value), &Arguments::default(), range);
            if matches!(iterator.ty, Type::Instance(_)) {
                return self.iterate(&iterator, range);
            }
        }
        let consumed = match value.ty {
            Type::Unknown => !self.is_iterable_again(value),
            Type::Object(class) => !self.is_plain_record(class),
            Type::Instance(path) => {
                let lineage = self.facts.names.lineage(path, self.knowledge);
                lineage.is_empty() || lineage.iter().any(|t| t.iterator == Some(true))
            }
            _ => false,
        };
        if consumed {
            self.consume(value);
            self.invoke_iteration(value, range);
            if !matches!(value.ty, Type::Instance(_)) {
                self.learn(value, Type::Unknown);
            }
        }
        if let Some(facts) = self.of_type(value, |t| t.iterate.as_ref()) {
            self.apply_effects(&facts.0, Some(value), &Arguments::default(), range);
        }
        self.yielded(value)
    }

    fn subscript(&mut self, owner: &Value, slice: &'a Expr, index: &Value, range: TextRange) -> Value {
        self.look_up(owner, range);
        self.look_for(&[index], Some(owner));
        if self.type_path(owner) == Some("os._Environ") {
            self.read_environment(index);
            return Value::immutable();
        }
        if let Type::Library(path) = owner.ty
            && self.facts.text(path) == "sys.modules"
            && index.text.as_deref().is_none_or(|module| module == "__main__")
        {
            self.frame().effects.dynamic.push(("sys.modules".to_owned(), range));
        }
        if self.type_path(owner) == Some("collections.defaultdict") {
            self.add_missing(owner, range);
            self.put_key(owner, index);
        }
        self.hash(index, range);
        if let Some(given) = self.subscribe_class(owner, index, range) {
            return given;
        }
        let is_slice = has_slice(slice) || self.type_path(index) == Some("slice");
        if owner.is_constant() || (self.holds_scalars(owner) && !slice.is_slice_expr() && !self.may_be_slice(index)) {
            return Value::immutable();
        }
        if !is_slice && self.may_be_slice(index) && self.is_sequence(owner) {
            self.invoke_code_with(index, std::slice::from_ref(owner), range);
            return owner.part(Type::Unknown);
        }
        if let Some(path) = self.type_path(owner).map(str::to_owned) {
            let selects = selects(slice) || self.is_selector(index);
            let facts = self.knowledge.inherited(&path, |t| match (is_slice, selects) {
                (true, _) => t.slice.as_ref().or(t.subscript.as_ref()),
                (_, true) => t.select.as_ref().or(t.subscript.as_ref()),
                _ if t.keyed == Some(true) => self.keyed_attribute(owner, &path, index).or(t.subscript.as_ref()),
                _ => t.subscript.as_ref(),
            });
            if let Some(facts) = facts {
                self.invoke_code_with(index, std::slice::from_ref(owner), range);
                return self.access(owner, facts, range);
            }
            if self.is_collection(owner) {
                return self.collection_part(owner, is_slice);
            }
        }
        if let Type::Object(class) = owner.ty
            && let Some((method, MethodKind::Plain)) = self.method_kind(class, "__getitem__")
        {
            let arguments = Arguments::of_values(std::slice::from_ref(index));
            return self.call_function(method, owner, Some(owner), &arguments, range);
        }
        let is_record = matches!(owner.ty, Type::Object(class) if self.is_plain_record(class));
        if !is_slice && (is_record || self.holds_elements(owner)) {
            return self.inside(owner);
        }
        if let Some(types) = self.subscribed_types(owner) {
            let parts = types.into_iter().map(|ty| self.subscript(&owner.part(ty), slice, index, range));
            let parts: Vec<Value> = parts.collect();
            return parts.into_iter().reduce(|a, b| a.join(&b)).unwrap_or_else(Value::immutable);
        }
        if self.may_add_missing(owner) {
            self.add_missing(owner, range);
        }
        self.learn(owner, Type::Unknown);
        if owner.ty == Type::Unknown {
            self.mark_view(owner);
        }
        owner.part(Type::Unknown)
    }

    /// Whether a value of unknown type, of which all is known that it may hold, may be a `defaultdict`.
    fn may_add_missing(&self, owner: &Value) -> bool {
        let is_default =
            |ty: &Type| matches!(ty, Type::Instance(path) if self.facts.text(*path) == "collections.defaultdict");
        owner.ty == Type::Unknown
            && self.types_in_class(owner).known().is_some_and(|types| types.iter().any(is_default))
    }

    /// The attribute that a subscript gives of a type whose items are its attributes: `bunch["data"]` is `bunch.data`,
    /// unless the notebook has put something else there, or has passed it on to who may have.
    fn keyed_attribute(&self, owner: &Value, path: &str, index: &Value) -> Option<&'static PartFacts> {
        let name = index.text.as_deref()?;
        let is_original = |ty: &Type| {
            let part = |path: &Name| {
                let text = self.facts.text(*path);
                self.knowledge.inherited(text, |t| t.keyed).is_some()
                    || self.knowledge.inherited(text, |t| t.flat) == Some(true)
            };
            matches!(ty, Type::Instance(path) if part(path))
        };
        let types = self.types_in_class(owner);
        types.known().filter(|types| types.iter().all(is_original)).and_then(|_| self.knowledge.attribute(path, name))
    }

    /// A key that is missing is added, with what the factory makes.
    pub(super) fn add_missing(&mut self, owner: &Value, range: TextRange) {
        self.mutate_container(owner);
        self.invoke_code(owner, range);
    }

    /// Whether an index is known to pick elements like a mask or a list does.
    fn is_selector(&self, index: &Value) -> bool {
        self.type_path(index).is_some_and(|path| matches!(path, "list" | "numpy.ndarray" | "pandas.Series"))
    }

    /// Whether the value of an index may be an object `slice(a, b)`.
    fn may_be_slice(&self, index: &Value) -> bool {
        let is_slice = |ty: Type| matches!(ty, Type::Instance(path) if self.facts.text(path) == "slice");
        !index.objects.is_empty() && self.possible_types(index).is_none_or(|types| types.into_iter().any(is_slice))
    }

    fn is_sequence(&self, owner: &Value) -> bool {
        let is_sequence =
            |ty: Type| matches!(ty, Type::Instance(path) if matches!(self.facts.text(path), "list" | "tuple"));
        self.possible_types(owner).is_none_or(|types| types.into_iter().any(is_sequence))
    }

    fn collection_part(&mut self, owner: &Value, is_slice: bool) -> Value {
        if !is_slice {
            return self.inside(owner);
        }
        if self.holds_scalars(owner) {
            return self.fresh_scalars(owner.ty);
        }
        let part = self.fresh_empty(owner.ty);
        self.fuse(&part, owner, false);
        part
    }

    /// Changes settings of the interpreter's own, which are no module's.
    pub(super) fn change_interpreter(&mut self) {
        self.frame().effects.settings.insert(String::new());
    }

    /// Changing some values (`pd.options`, `plt.rcParams`) changes a setting of the process.
    pub fn change_setting(&mut self, owner: &Value) {
        let path = self.type_path(owner).map(str::to_owned);
        if let Some(setting) = path.and_then(|path| self.knowledge.setting_of(&path)) {
            self.frame().effects.settings.insert(setting.module().to_owned());
        }
    }

    pub fn store_item(&mut self, owner: &Value, index: &Expr, value: &Value, range: TextRange) {
        self.operate(&[owner], range);
        if planted(Fault::MissedItemStore) {
            return;
        }
        match owner.ty {
            Type::Library(path) => {
                let text = self.facts.text(path).to_owned();
                self.set_option(&text);
                self.store_in_member(&text, value, range);
                return;
            }
            Type::Instance(path) if self.facts.text(path) == "os._Environ" => {
                self.change_interpreter();
                return;
            }
            _ => {}
        }
        self.change_setting(owner);
        self.mutate_container(owner);
        match self.copies_what_is_stored(owner) {
            true => {}
            false if self.stores_itself(owner, index) => self.put(owner, value),
            false => self.link(owner, value, false),
        }
    }

    /// Whether `owner[index] = value` puts the value itself into the owner: a slice of a list takes its elements, and a
    /// class of the notebook does what it likes.
    fn stores_itself(&self, owner: &Value, index: &Expr) -> bool {
        let is_slice = |ty: &Type| match ty {
            Type::Instance(path) => self.facts.text(*path) == "list" && !index.is_literal_expr(),
            _ => true,
        };
        self.possible_types(owner).is_some_and(|types| !types.iter().any(is_slice))
    }

    fn copies_what_is_stored(&self, owner: &Value) -> bool {
        self.of_type(owner, |t| t.store).is_some()
    }

    /// `pd.options.display.max_rows = 5`, `plt.rcParams["x"] = y`, `sys.path[:0] = [...]`: a setting of the module.
    pub(super) fn set_option(&mut self, path: &str) {
        let module = top_level(path);
        let is_everywhere = self.knowledge.is_stdlib(module) || module == "IPython";
        let module = if is_everywhere { "" } else { module };
        self.frame().effects.settings.insert(module.to_owned());
    }

    pub fn note_library(&mut self, path: &str) {
        let module = top_level(path);
        if module != "builtins" {
            let module = self.name(module);
            self.frame().effects.libraries.insert(module);
        }
    }
}

fn has_slice(index: &Expr) -> bool {
    index.is_slice_expr() || index.as_tuple_expr().is_some_and(|tuple| tuple.elts.iter().any(Expr::is_slice_expr))
}

/// Whether an index picks elements by a mask or a list.
fn selects(index: &Expr) -> bool {
    match index {
        Expr::Compare(_) | Expr::List(_) => true,
        Expr::UnaryOp(op) => op.op == UnaryOp::Invert,
        Expr::BinOp(op) => selects(&op.left) || selects(&op.right),
        _ => false,
    }
}
