//! Evaluation of expressions to abstract values.

use std::collections::BTreeSet;
use std::rc::Rc;

use ruff_python_ast::{
    Comprehension, Expr, FStringPart, InterpolatedStringElement, InterpolatedStringElements, UnaryOp,
};
use ruff_text_size::{Ranged, TextRange};
use smallvec::smallvec;

use super::analyzer::{Analyzer, Inner};
use super::arguments::Arguments;
use super::definitions::MethodKind;
use super::facts::Resource;
use super::knowledge::PartFacts;
use super::names::{Name, top_level};
use super::operators::gives_bool;
use super::scope::{ScopeKind, ScopeRef};
use super::value::{CodeId, Parts, TuplePart, Type, Value};
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
                self.operate(&[&value], op.range());
                if op.op == UnaryOp::Not { Value::immutable() } else { self.computed(&[&value], false) }
            }
            Expr::BoolOp(op) => {
                let mut values = vec![];
                for (index, value) in op.values.iter().enumerate() {
                    values.push(if index == 0 {
                        self.evaluate(value)
                    } else {
                        self.perhaps(|this| this.evaluate(value))
                    });
                }
                self.operate(&values.iter().collect::<Vec<_>>(), op.range());
                values.into_iter().reduce(|a, b| self.either(a, &b)).unwrap_or_else(Value::immutable)
            }
            Expr::Compare(compare) => {
                let mut values = vec![self.evaluate(&compare.left)];
                for (index, value) in compare.comparators.iter().enumerate() {
                    // In `a < b < c` the last one is only looked at when `a < b`.
                    let value =
                        if index == 0 { self.evaluate(value) } else { self.perhaps(|this| this.evaluate(value)) };
                    values.push(value);
                }
                self.operate(&values.iter().collect::<Vec<_>>(), compare.range());
                if compare.ops.iter().all(gives_bool) {
                    return Value::immutable();
                }
                self.computed(&values.iter().collect::<Vec<_>>(), true)
            }
            Expr::If(choice) => {
                let test = self.evaluate(&choice.test);
                self.operate(&[&test], choice.test.range());
                let one = self.perhaps(|this| this.evaluate(&choice.body));
                let other = self.perhaps(|this| this.evaluate(&choice.orelse));
                self.either(one, &other)
            }
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
            Expr::Dict(dict) => {
                let mut values = vec![];
                for item in &dict.items {
                    if let Some(key) = &item.key {
                        values.push(self.evaluate(key));
                    }
                    values.push(self.evaluate(&item.value));
                }
                self.container(&values, "dict")
            }
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
            Expr::FString(string) => {
                let mut text = Some(String::new());
                for part in &string.value {
                    match part {
                        FStringPart::Literal(literal) => push(&mut text, Some(literal)),
                        FStringPart::FString(inner) => {
                            let inner = self.interpolated(&inner.elements);
                            push(&mut text, inner.as_deref());
                        }
                    }
                }
                text.map_or_else(Value::immutable, Value::text)
            }
            Expr::TString(string) => {
                let mut values = vec![];
                for part in &string.value {
                    for element in part.elements.interpolations() {
                        values.push(self.evaluate(&element.expression));
                    }
                }
                self.container(&values, "string.templatelib.Template")
            }
            Expr::StringLiteral(string) => Value::text(string.value.to_str()),
            Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::NoneLiteral(_)
            | Expr::EllipsisLiteral(_) => Value::immutable(),
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

    /// Evaluates an f-string's parts; its text, when every part is known before the run.
    fn interpolated(&mut self, elements: &'a InterpolatedStringElements) -> Option<String> {
        let mut text = Some(String::new());
        for element in elements {
            match element {
                InterpolatedStringElement::Literal(literal) => push(&mut text, Some(literal)),
                InterpolatedStringElement::Interpolation(inner) => {
                    let value = self.evaluate(&inner.expression);
                    self.operate(&[&value], inner.range());
                    if let Some(spec) = &inner.format_spec {
                        self.interpolated(&spec.elements);
                        text = None;
                    }
                    push(&mut text, value.text.as_deref());
                }
            }
        }
        text
    }

    fn display(&mut self, elements: &'a [Expr], type_path: &str) -> Value {
        let values: Vec<Value> = elements.iter().map(|element| self.evaluate(element)).collect();
        if type_path == "tuple" && values.iter().all(Value::is_constant) {
            let mut value = Value::immutable();
            value.code = values.into_iter().flat_map(|v| v.code).collect();
            return value;
        }
        if type_path == "tuple" && values.iter().all(|value| self.travels(value)) {
            return self.loose_tuple(values);
        }
        self.container(&values, type_path)
    }

    /// A tuple that has no name yet. It refers to its elements, but they need not become one alias class: unpacked at
    /// once (`return a, b`), each goes its own way.
    fn loose_tuple(&mut self, values: Vec<Value>) -> Value {
        let path = self.name("tuple");
        let mut tuple = self.fresh_empty(Type::Instance(path));
        for value in &values {
            self.hold(&mut tuple, value);
        }
        tuple.parts = Some(Rc::new(Parts::Each(values)));
        tuple
    }

    /// A new object that refers to these values.
    pub fn container(&mut self, values: &[Value], type_path: &str) -> Value {
        let path = self.name(type_path);
        let ty = Type::Instance(path);
        let mut container =
            if values.iter().all(Value::is_immutable) { self.fresh_scalars(ty) } else { self.fresh_empty(ty) };
        for value in values {
            if planted(Fault::NoAliasInContainers) {
                continue;
            }
            self.link(&container, value, false);
            container.code.extend(value.code.iter().copied());
        }
        container
    }

    fn comprehension(
        &mut self,
        scope: ScopeRef<'a>,
        generators: &'a [Comprehension],
        elements: &[&'a Expr],
        type_path: &str,
    ) -> Value {
        // The first iterable belongs to the scope around the comprehension.
        let mut first = generators.first().map(|generator| self.evaluate(&generator.iter));
        // The rest may run no time at all.
        self.push_layer();
        self.frame().inner.push(Inner::new(scope));
        for generator in generators {
            let iterable = first.take().unwrap_or_else(|| self.evaluate(&generator.iter));
            let element = self.iterate(&iterable, generator.iter.range());
            self.assign(&generator.target, element);
            for condition in &generator.ifs {
                self.evaluate(condition);
            }
        }
        let values: Vec<Value> = elements.iter().map(|element| self.evaluate(element)).collect();
        let inner = self.frame().inner.pop();
        if planted(Fault::ComprehensionLeak) && self.in_module() {
            let names = inner.into_iter().flat_map(|inner| inner.names.into_keys());
            names.for_each(|name| self.bind(name, Value::immutable()));
        }
        let layer = self.pop_layer();
        self.join(vec![layer], !planted(Fault::ComprehensionLeak));
        self.container(&values, type_path)
    }

    /// Runs a generator expression's body, as consuming it does.
    pub fn generator_body(&mut self, generator: &'a ruff_python_ast::ExprGenerator) -> Value {
        let scope = self.frame().scope;
        self.comprehension(scope, &generator.generators, &[&generator.elt], "generator")
    }

    // Attributes, elements.

    pub fn is_path(&self, value: &Value) -> bool {
        matches!(value.ty, Type::Instance(path) if self.facts.text(path).starts_with("pathlib."))
    }

    pub fn type_path(&self, value: &Value) -> Option<&str> {
        match value.ty {
            Type::Instance(path) => Some(self.facts.text(path)),
            _ => None,
        }
    }

    pub fn is_collection(&self, value: &Value) -> bool {
        self.type_path(value).is_some_and(|path| matches!(path, "list" | "tuple" | "dict" | "set" | "frozenset"))
    }

    pub fn has_pure_operators(&self, value: &Value) -> bool {
        value.is_constant() || self.is_path(value)
    }

    pub fn attribute(&mut self, owner: &Value, name: &str, range: TextRange) -> Value {
        match owner.ty {
            Type::Library(path) => {
                let path = self.facts.names.join(path, name);
                let canonical = self.knowledge.canonical(self.facts.text(path)).into_owned();
                self.library_attribute(&canonical, range)
            }
            Type::Immutable => Value::immutable(),
            Type::Instance(path) => {
                let text = self.facts.text(path).to_owned();
                let known = self.knowledge.attribute(&text, name);
                match known.or_else(|| self.knowledge.inherited(&text, |t| t.unknown_attributes.as_ref())) {
                    Some(facts) => self.access(owner, facts, range),
                    None if name.starts_with("__") || self.knowledge.method(&text, name).is_some() => {
                        let method = self.name(BOUND_METHOD);
                        self.learn(owner, Type::Library(method));
                        owner.part(Type::Instance(method))
                    }
                    None => self.inside(owner),
                }
            }
            Type::Object(class) => self.object_attribute(owner, class, name, range),
            // Attributes of a class without state are constants and functions.
            Type::Class(class) if self.is_stateless(owner) => {
                let ty = if self.is_member(class, name) { Type::Object(class) } else { Type::Unknown };
                Value { objects: smallvec![], ..owner.part(ty) }
            }
            Type::Class(_) | Type::Function(_) => self.inside(owner),
            Type::Unknown => {
                self.invoke_methods(owner, range, is_accessor);
                match self.candidate_attribute(owner, name, range) {
                    Some(value) => value,
                    None => {
                        self.invoke_properties(owner, name, range);
                        self.learn(owner, Type::Unknown);
                        owner.part(Type::Unknown)
                    }
                }
            }
        }
    }

    fn object_attribute(&mut self, owner: &Value, class: CodeId, name: &str, range: TextRange) -> Value {
        match self.method_kind(class, name) {
            Some((method, MethodKind::Property)) => {
                return self.call_function(method, owner, Some(owner), &Arguments::default(), range);
            }
            Some((method, MethodKind::Plain)) => self.learn(owner, Type::Function(method)),
            Some((_, MethodKind::Decorated)) => {
                self.invoke_code(owner, range);
                self.learn(owner, Type::Unknown);
            }
            None if name.starts_with("__") => self.learn(owner, Type::Unknown),
            None => {}
        }
        if !self.is_closed(class) || self.method_of(class, "__getattr__").is_some() {
            self.invoke_methods(owner, range, is_accessor);
            self.learn(owner, Type::Unknown);
        }
        self.inside(owner)
    }

    /// A value that a module holds. Changes of it are settings of the module, not of an object of the notebook.
    pub fn module_constant(&mut self, type_path: &str) -> Value {
        let value = self.typed(type_path);
        Value { objects: smallvec![], ..value }
    }

    fn library_attribute(&mut self, path: &str, range: TextRange) -> Value {
        if path == "os.environ" {
            let path = self.name("os._Environ");
            return Value { ty: Type::Instance(path), ..Value::immutable() };
        }
        self.note_library(path);
        self.use_member(path, range);
        if let Some(type_path) = self.knowledge.call(path).and_then(|c| c.value.as_deref()) {
            return self.module_constant(type_path);
        }
        let path = self.name(path);
        Value::library(path)
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
            None => made,
            Some(_) if owner.objects.is_empty() => Value { objects: smallvec![], ..made },
            Some(view) => {
                if view {
                    self.mark_view(owner);
                }
                let mut part = if ty == Type::Unknown {
                    self.inside(owner)
                } else {
                    self.learn(owner, ty);
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
                let parts = Some(Rc::new(Parts::Each(parts.collect())));
                let ty = Type::Instance(self.name("tuple"));
                return Value { ty, parts, ..self.inside(value) };
            }
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
        match self.type_path(value).and_then(|path| self.knowledge.inherited(path, |t| t.iterate.as_ref())) {
            Some(facts) => self.part(value, facts),
            None => self.inside(value),
        }
    }

    /// Iterates a value: an iterator, or a value of unknown type, is consumed by it.
    pub fn iterate(&mut self, value: &Value, range: TextRange) -> Value {
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
            Type::Object(_) => true,
            Type::Instance(path) => {
                let text = self.facts.text(path);
                self.knowledge.type_facts(text).is_none()
                    || self.knowledge.inherited(text, |t| t.iterator.filter(|i| *i)).is_some()
            }
            _ => false,
        };
        if consumed {
            self.consume(value);
            self.invoke_code(value, range);
            if !matches!(value.ty, Type::Instance(_)) {
                self.learn(value, Type::Unknown);
            }
        }
        if let Some(path) = self.type_path(value)
            && let Some(facts) = self.knowledge.inherited(path, |t| t.iterate.as_ref())
        {
            self.apply_effects(&facts.0, Some(value), &Arguments::default(), range);
        }
        self.yielded(value)
    }

    fn subscript(&mut self, owner: &Value, slice: &'a Expr, index: &Value, range: TextRange) -> Value {
        self.operate(&[owner], range);
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
        }
        if owner.is_constant() || (self.holds_scalars(owner) && !slice.is_slice_expr()) {
            return Value::immutable();
        }
        let is_slice = slice.is_slice_expr()
            || slice.as_tuple_expr().is_some_and(|tuple| tuple.elts.iter().any(Expr::is_slice_expr));
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
        if self.holds_elements(owner) {
            return self.inside(owner);
        }
        self.learn(owner, Type::Unknown);
        if owner.ty == Type::Unknown {
            self.mark_view(owner);
        }
        owner.part(Type::Unknown)
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
        let types = self.types_of(owner);
        types.known().filter(|types| types.iter().all(is_original)).and_then(|_| self.knowledge.attribute(path, name))
    }

    /// A key that is missing is added, with what the factory makes.
    pub(super) fn add_missing(&mut self, owner: &Value, range: TextRange) {
        self.mutate(owner);
        self.invoke_code(owner, range);
    }

    /// Whether an index is known to pick elements like a mask or a list does.
    fn is_selector(&self, index: &Value) -> bool {
        self.type_path(index).is_some_and(|path| matches!(path, "list" | "numpy.ndarray" | "pandas.Series"))
    }

    fn collection_part(&mut self, owner: &Value, is_slice: bool) -> Value {
        if !is_slice {
            return self.inside(owner);
        }
        if self.holds_scalars(owner) {
            return self.fresh_scalars(owner.ty);
        }
        let part = self.fresh_empty(owner.ty);
        self.link(&part, owner, false);
        part
    }

    pub fn store_attribute(&mut self, owner: &Value, name: &str, value: &Value, range: TextRange) {
        if planted(Fault::MissedAttributeStore) {
            return;
        }
        if let Type::Library(path) = owner.ty {
            let path = self.facts.names.join(path, name);
            let text = self.facts.text(path).to_owned();
            self.set_option(&text);
            self.store_in_member(&text, value, range);
            if STREAMS.contains(&text.as_str()) {
                // What is there has a state of its own: another one made elsewhere is not it.
                self.touch(Resource::Process(String::new()), true, range);
            }
            return;
        }
        let is_definition = matches!(owner.ty, Type::Function(_) | Type::Class(_));
        if is_definition && self.is_stateless(owner) && (value.objects.is_empty() || self.is_stateless(value)) {
            // `Model.score = score`: as a setting, the patch is repeated wherever the class may be used.
            self.frame().effects.settings.insert(String::new());
            self.frame().effects.patches = true;
            return;
        }
        self.change_setting(owner);
        if owner.ty == Type::Unknown {
            self.mutate_definitions(owner, range);
        }
        self.mutate(owner);
        self.link(owner, value, false);
    }

    /// A value of unknown type may be one of the classes that it refers to.
    fn mutate_definitions(&mut self, value: &Value, range: TextRange) {
        let mut codes = value.code.clone();
        for &object in &value.objects {
            codes.extend(self.frame().heap.class(object).code.iter().copied());
        }
        let names: BTreeSet<_> = codes.iter().filter_map(|code| self.definitions[code.0].name).collect();
        for name in names {
            let definition = self.read_variable(name, range);
            self.mutate(&definition);
        }
    }

    /// Changing some values (`pd.options`, `plt.rcParams`) changes a setting of the process.
    pub fn change_setting(&mut self, owner: &Value) {
        let path = self.type_path(owner).map(str::to_owned);
        if let Some(setting) = path.and_then(|path| self.knowledge.setting_of(&path)) {
            self.frame().effects.settings.insert(setting.module().to_owned());
        }
    }

    pub fn store_item(&mut self, owner: &Value, value: &Value, range: TextRange) {
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
                self.frame().effects.settings.insert(String::new());
                return;
            }
            _ => {}
        }
        self.change_setting(owner);
        self.mutate(owner);
        if !self.copies_what_is_stored(owner) {
            self.link(owner, value, false);
        }
    }

    fn copies_what_is_stored(&self, owner: &Value) -> bool {
        self.type_path(owner).is_some_and(|path| self.knowledge.inherited(path, |t| t.store).is_some())
    }

    /// `pd.options.display.max_rows = 5`, `plt.rcParams["x"] = y`, `sys.path[:0] = [...]`: a setting of the module.
    fn set_option(&mut self, path: &str) {
        let module = top_level(path);
        let module = if self.knowledge.is_stdlib(module) { "" } else { module };
        self.frame().effects.settings.insert(module.to_owned());
    }

    pub fn note_library(&mut self, path: &str) {
        let module = top_level(path);
        let libraries = &mut self.frame().effects.libraries;
        if module != "builtins" && !libraries.contains(module) {
            libraries.insert(module.to_owned());
        }
    }
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

/// Attributes of `sys` that what is printed or shown goes through.
const STREAMS: &[&str] = &["sys.stdout", "sys.stderr", "sys.stdin", "sys.displayhook", "sys.excepthook"];

/// A method of a library's object, taken without being called.
pub(super) const BOUND_METHOD: &str = "types.MethodType";

/// Methods that loading an attribute may call.
fn is_accessor(name: &str) -> bool {
    matches!(name, "__getattr__" | "__getattribute__" | "__get__")
}

/// Longer texts are no paths; texts that double from line to line must not take all memory.
pub(super) const MAX_TEXT: usize = 4096;

fn push(text: &mut Option<String>, part: Option<&str>) {
    match (text.as_mut(), part) {
        (Some(text), Some(part)) if text.len() + part.len() <= MAX_TEXT => text.push_str(part),
        _ => *text = None,
    }
}
