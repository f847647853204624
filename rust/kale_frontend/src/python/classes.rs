//! Classes of the notebook: made, and asked about their methods and bases.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::name::UnqualifiedName;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Decorator, Expr, Keyword, Stmt, StmtAnnAssign, StmtClassDef};
use ruff_text_size::{Ranged, TextRange};

use super::analyzer::{Analyzer, Body, Definition, DefinitionKind, Inner};
use super::definitions::patches;
use super::heap::ObjectId;
use super::names::{Name, NameSet};
use super::scope::ScopeKind;
use super::types::{Held, Types};
use super::value::{CodeId, Type, Value};

impl<'a> Analyzer<'a> {
    pub fn define_class(&mut self, statement: &'a StmtClassDef) {
        let mut bases = vec![];
        let mut inherited = vec![];
        let mut held_code = vec![];
        let mut metaclass = None;
        let is_generic = self.enter_type_parameters(statement.type_params.as_deref());
        if let Some(arguments) = &statement.arguments {
            for base in &arguments.args {
                let value = self.evaluate(base);
                held_code.extend(value.code.iter().copied());
                bases.push(value.ty);
                inherited.push(value);
            }
            for keyword in &arguments.keywords {
                let value = self.evaluate(&keyword.value);
                if keyword.arg.as_deref() == Some("metaclass") {
                    held_code.extend(value.code.iter().copied());
                    inherited.push(value.clone());
                    metaclass = Some(value);
                }
            }
        }
        let (attributes, optional) = self.class_body(statement);
        if is_generic {
            self.frame().inner.pop();
        }
        let methods = self.methods_among(&attributes, &optional, &bases);
        // A class shares the state of its bases.
        let state: Vec<&Value> = attributes
            .iter()
            .map(|(_, value)| value)
            .chain(&inherited)
            .filter(|value| !value.objects.is_empty() && !self.is_stateless(value))
            .collect();
        let held = attributes.iter().filter(|(_, value)| !matches!(value.ty, Type::Function(_) | Type::Immutable));
        let holds: Option<Vec<Held>> = held
            .map(|(name, value)| (value.ty != Type::Unknown).then(|| (self.attribute_name(name), value.ty)))
            .collect();
        let is_enumeration = bases.iter().any(|base| self.is_enumeration_class(*base));
        let has_members = is_enumeration && self.may_make_objects(statement, &bases);
        let stateless = state.is_empty() && !patches(&statement.body, &statement.name) && !has_members;
        let object = self.frame().heap.allocate_code(Types::default(), stateless);
        let made_by = self.metaclass_among(metaclass.as_ref(), &bases);
        let code = self.add_class(statement, methods, bases, made_by, holds);
        let mut value = Value::object(Type::Class(code), object);
        for held in state {
            self.link(&value, held, false);
        }
        value.code.push(code);
        value.code.extend(held_code);
        value.code.extend(
            attributes
                .iter()
                .flat_map(|(_, v)| v.code.iter().copied())
                .filter(|c| self.definitions[c.index()].name.is_some()),
        );
        value.code.sort();
        value.code.dedup();
        self.announce_class(code, &value, metaclass.as_ref(), &attributes, statement.range());
        if std::mem::take(&mut self.asks_subclasses) {
            // What a function found of them is no longer all.
            self.summaries.clear();
        }
        let value = self.decorate(value, &statement.decorator_list);
        self.name_definition(code, &statement.name);
        self.bind_text(&statement.name, value);
    }

    fn add_class(
        &mut self,
        statement: &'a StmtClassDef,
        methods: BTreeMap<String, CodeId>,
        bases: Vec<Type>,
        metaclass: Option<CodeId>,
        holds: Option<Vec<Held>>,
    ) -> CodeId {
        let in_module = self.in_module();
        let address = Body::Statements(&statement.body).address();
        let made = self.class_ids.entry(address).or_default();
        // A class that a function makes anew with each call is the same as before, as far as its definition tells; else
        // functions that make classes and call each other would never end.
        let is_same = |code: &&CodeId| match &self.definitions[code.index()].kind {
            DefinitionKind::Class { methods: m, bases: b, holds: h, .. } => *m == methods && *b == bases && *h == holds,
            DefinitionKind::Function(_) => false,
        };
        if let Some(&known) = made.iter().find(is_same).filter(|_| !in_module) {
            return known;
        }
        let code = CodeId::next(self.definitions.len());
        made.push(code);
        let statement = Some(statement);
        let kind = DefinitionKind::Class { methods, bases, metaclass, statement, holds, record: None };
        self.definitions.push(Definition::new(kind, None));
        code
    }

    /// Executes the body of a class; gives what it binds, by name.
    /// The attributes, and the names of those that are only bound on some ways through the body.
    fn class_body(&mut self, statement: &'a StmtClassDef) -> (Vec<(String, Value)>, BTreeSet<String>) {
        let scope = self.scope_of(ScopeKind::Class, statement.range());
        let layers = self.frame().layers.len();
        self.frame().inner.push(Inner::block(scope, layers));
        let outer = self.frame().class_name.replace(statement.name.to_string());
        self.execute_all(&statement.body);
        self.frame().class_name = outer;
        let body = self.frame().inner.pop().expect("it was pushed above");
        let text = |name: Name| self.facts.text(name).to_owned();
        let mut attributes: Vec<(String, Value)> =
            body.names.into_iter().map(|(name, value)| (text(name), value)).collect();
        attributes.sort_by(|a, b| a.0.cmp(&b.0));
        (attributes, body.optional.iter().map(|&name| text(name)).collect())
    }

    /// A class made by a call, such as `namedtuple("Point", "x y")`: named by the variable it is assigned to. Of records,
    /// it is known what their instances are: tuples of what they are made from.
    pub fn made_class(&mut self, record: Option<Vec<Name>>) -> Value {
        let code = CodeId::next(self.definitions.len());
        let kind = DefinitionKind::Class {
            methods: BTreeMap::new(),
            bases: vec![],
            metaclass: None,
            statement: None,
            holds: record.is_some().then(Vec::new),
            record,
        };
        self.definitions.push(Definition::new(kind, None));
        let object = self.frame().heap.allocate_code(Types::default(), true);
        let mut value = Value::object(Type::Class(code), object);
        value.code.push(code);
        value
    }

    /// Whether one of these classes of the notebook has a state: attributes that change.
    pub fn has_stateful_class(&self, code: &[CodeId]) -> bool {
        code.iter().any(|code| {
            let definition = &self.definitions[code.index()];
            let is_class = matches!(definition.kind, DefinitionKind::Class { .. });
            let bound = definition.name.filter(|_| is_class).and_then(|name| self.module_binding(name));
            let is_stateless = |&object: &ObjectId| self.frames[0].heap.is_stateless(object);
            bound.is_some_and(|binding| !binding.value.objects.iter().all(is_stateless))
        })
    }

    /// The library classes that a class of the notebook is based on, also by way of other classes.
    pub(super) fn library_bases(&self, class: CodeId) -> NameSet {
        let ancestors = self.ancestors(&[class]);
        let bases = ancestors.iter().flat_map(|&class| self.bases(class)).filter_map(|base| match *base {
            Type::Library(path) => Some(path),
            _ => None,
        });
        bases.collect()
    }

    fn is_exception(&self, base: Name) -> bool {
        let facts = self.knowledge.call(self.facts.text(base));
        facts.is_some_and(|facts| facts.returns.as_deref() == Some("BaseException"))
    }

    /// Whether instances hold their arguments and have methods of their own, as exceptions do.
    pub fn has_exception_base(&self, class: CodeId) -> bool {
        let DefinitionKind::Class { bases, .. } = &self.definitions[class.index()].kind else { return true };
        bases.iter().any(|base| match base {
            Type::Library(path) => self.is_exception(*path),
            Type::Class(base) => self.has_exception_base(*base),
            _ => false,
        })
    }

    /// Whether a class says what an operator does with its instances.
    pub fn has_operators(&self, class: CodeId) -> bool {
        OPERATORS.iter().any(|name| self.method_of(class, name).is_some())
    }

    fn may_make_objects(&self, statement: &StmtClassDef, bases: &[Type]) -> bool {
        let codes: Vec<CodeId> = bases
            .iter()
            .filter_map(|base| match base {
                Type::Class(code) => Some(*code),
                _ => None,
            })
            .collect();
        let mixed_in = self.ancestors(&codes).into_iter().any(|class| match &self.definitions[class.index()].kind {
            DefinitionKind::Class { statement: Some(class), .. } => makes_objects(&class.body),
            _ => false,
        });
        mixed_in || makes_objects(&statement.body)
    }

    fn is_enumeration_class(&self, base: Type) -> bool {
        matches!(base, Type::Library(path) if is_enumeration(self.facts.text(path)))
    }

    /// Whether `Class.name` is a member of an enumeration.
    pub fn is_member(&self, class: CodeId, name: &str) -> bool {
        let DefinitionKind::Class { bases, .. } = &self.definitions[class.index()].kind else { return false };
        let is_enum = |base: &Type| self.is_enumeration_class(*base);
        bases.iter().any(is_enum) && !name.starts_with('_') && self.method_of(class, name).is_none()
    }

    /// What the attributes of a class hold, which its instances have, too. `None` for anything, or when a base is unknown.
    pub fn class_contents(&mut self, class: CodeId) -> Option<Vec<Held>> {
        let tuple = Type::Instance(self.name("tuple"));
        if !self.is_closed(class) {
            return None;
        }
        let mut contents = vec![];
        let (mut todo, mut seen) = (vec![class], BTreeSet::new());
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, holds, .. } = &self.definitions[class.index()].kind else { continue };
            if seen.insert(class) {
                contents.extend(holds.as_ref()?);
                if self.has_exception_base(class) {
                    contents.push((None, tuple));
                }
                todo.extend(bases.iter().filter_map(|base| match base {
                    Type::Class(code) => Some(*code),
                    _ => None,
                }));
            }
        }
        Some(contents)
    }

    /// The fields of a record or a plain data class, in the order of its parameters; none where something else may be a
    /// parameter.
    pub(super) fn fields(&mut self, class: CodeId) -> Vec<Name> {
        let (bases, statement) = match &self.definitions[class.index()].kind {
            DefinitionKind::Class { record: Some(fields), .. } => return fields.clone(),
            DefinitionKind::Class { bases, statement: Some(statement), .. } => (bases, statement),
            _ => return vec![],
        };
        let is_plain = |decorator: &Decorator| {
            let path = UnqualifiedName::from_expr(&decorator.expression).map(|path| path.to_string());
            path.is_some_and(|path| PLAIN_DECORATORS.contains(&path.as_str()))
        };
        if !bases.is_empty() || statement.decorator_list.len() != 1 || !statement.decorator_list.iter().all(is_plain) {
            return vec![];
        }
        let mut fields = vec![];
        for statement in &statement.body {
            match statement {
                Stmt::AnnAssign(field) => match field.target.as_name_expr().map(|name| name.id.as_str()) {
                    Some(name) if !name.starts_with("__") && !fields.contains(&name) && self.is_plain_field(field) => {
                        fields.push(name)
                    }
                    _ => return vec![],
                },
                Stmt::FunctionDef(_) | Stmt::Expr(_) | Stmt::Pass(_) => {}
                _ => return vec![],
            }
        }
        fields.into_iter().map(|field| self.facts.names.intern(field)).collect()
    }

    /// Whether an annotated name in the body of a data class is one of its parameters, in its place.
    fn is_plain_field(&self, field: &StmtAnnAssign) -> bool {
        let made = field.value.as_deref().and_then(Expr::as_call_expr);
        let is_special =
            |keyword: &Keyword| keyword.arg.as_ref().is_none_or(|name| SPECIAL_FIELDS.contains(&name.as_str()));
        if made.is_some_and(|call| call.arguments.keywords.iter().any(is_special)) {
            return false;
        }
        let annotation = field.annotation.as_subscript_expr().map_or(&field.annotation, |generic| &generic.value);
        let text = match annotation.as_ref() {
            Expr::Name(name) => self.path_of(annotation).unwrap_or_else(|| name.id.to_string()),
            Expr::Attribute(_) => self.path_of(annotation).unwrap_or_default(),
            Expr::BinOp(_) | Expr::NoneLiteral(_) => return true,
            _ => return false,
        };
        text.rsplit('.').next().is_some_and(|name| !name.is_empty() && !SPECIAL_ANNOTATIONS.contains(&name))
    }

    /// The name of an attribute as it tells what is in it. (Of one that is private, the name depends on the class around.)
    pub(super) fn attribute_name(&mut self, text: &str) -> Option<Name> {
        (!text.is_empty() && !text.starts_with("__")).then(|| self.name(text))
    }

    /// Whether setting an attribute of an instance does no more than that: no property, no descriptor, no hook.
    pub(super) fn sets_plainly(&mut self, class: CodeId, name: &str) -> bool {
        let contents = self.class_contents(class);
        let may_be_descriptor = |ty: &Type| !matches!(ty, Type::Instance(_));
        self.method_of(class, "__setattr__").is_none()
            && self.method_of(class, name).is_none()
            && contents.is_some_and(|held| !held.iter().any(|(_, ty)| may_be_descriptor(ty)))
    }

    /// The notebook's functions that make the defaults of a data class's fields (`field(default_factory=new_id)`).
    pub(super) fn factories(&mut self, class: CodeId, range: TextRange) -> Vec<CodeId> {
        let mut given: Vec<&'a Expr> = vec![];
        for class in self.ancestors(&[class]) {
            let DefinitionKind::Class { statement, .. } = &self.definitions[class.index()].kind else { continue };
            for statement in statement.iter().flat_map(|statement| &statement.body) {
                if let Stmt::AnnAssign(field) = statement
                    && let Some(Expr::Call(call)) = field.value.as_deref()
                {
                    given.extend(call.arguments.find_keyword("default_factory").map(|keyword| &keyword.value));
                }
            }
        }
        let codes = given.into_iter().filter_map(|factory| match factory {
            Expr::Lambda(lambda) => self.code_ids.get(&Body::Expression(&lambda.body).address()).copied(),
            Expr::Name(name) => match self.module_binding(self.facts.names.get(&name.id)?)?.value.ty {
                Type::Function(code) => {
                    self.read(&name.id, range);
                    Some(code)
                }
                _ => None,
            },
            _ => None,
        });
        codes.collect()
    }

    /// Whether instances are tuples with names for their elements.
    pub(super) fn is_record(&self, class: CodeId) -> bool {
        let mut todo = vec![class];
        let mut seen = BTreeSet::from([class]);
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, record, .. } = &self.definitions[class.index()].kind else { continue };
            if record.is_some() {
                return true;
            }
            todo.extend(bases.iter().filter_map(|base| match base {
                Type::Class(base) if seen.insert(*base) => Some(*base),
                _ => None,
            }));
        }
        false
    }

    /// Whether nothing of an instance can change but what it was made from: a tuple with names for its elements and no
    /// other attributes, or a member of an enumeration of constants.
    pub(super) fn has_frozen_instances(&self, class: CodeId) -> bool {
        let DefinitionKind::Class { bases, holds, record, methods, .. } = &self.definitions[class.index()].kind else {
            return false;
        };
        let is_enum = |base: &Type| self.is_enumeration_class(*base);
        let has_constants = || methods.is_empty() && holds.as_ref().is_some_and(Vec::is_empty);
        record.is_some() || (!bases.is_empty() && bases.iter().all(is_enum) && has_constants())
    }

    /// Whether every base of the class is a class of the notebook, so that its methods are all known.
    pub fn is_closed(&self, class: CodeId) -> bool {
        self.is_closed_by(class, |_| true)
    }

    /// Whether no instance has special methods that neither its class nor the bases of that show: a decorator might have
    /// added some that call others, and those of enumerations do.
    pub(super) fn shows_its_methods(&self, class: CodeId) -> bool {
        let is_plain = |decorator: &Decorator| {
            let path = decorator.expression.as_call_expr().map_or(&decorator.expression, |call| &call.func);
            UnqualifiedName::from_expr(path).is_some_and(|path| PLAIN_DECORATORS.contains(&path.to_string().as_str()))
        };
        self.is_closed_by(class, |statement| statement.decorator_list.iter().all(is_plain))
            && !self.library_bases(class).iter().any(|&base| is_enumeration(self.facts.text(base)))
            && !self.has_stateful_class(&[class])
    }

    fn is_closed_by(&self, class: CodeId, is_good: impl Fn(&StmtClassDef) -> bool) -> bool {
        let mut todo = vec![class];
        let mut seen = BTreeSet::from([class]);
        while let Some(class) = todo.pop() {
            let DefinitionKind::Class { bases, statement, record, .. } = &self.definitions[class.index()].kind else {
                return false;
            };
            if !statement.map_or(record.is_some(), &is_good) {
                return false;
            }
            for base in bases {
                match base {
                    Type::Class(code) if seen.insert(*code) => todo.push(*code),
                    Type::Class(_) => {}
                    Type::Library(path) if is_bare_base(self.facts.text(*path)) || self.is_exception(*path) => {}
                    _ => return false,
                }
            }
        }
        true
    }
}

/// Decorators that add special methods, which only use the instance's own attributes, or none.
const PLAIN_DECORATORS: &[&str] = &["dataclass", "dataclasses.dataclass"];

/// What annotates a name of a data class that is no field, or one that is given otherwise.
const SPECIAL_ANNOTATIONS: &[&str] = &["ClassVar", "InitVar", "KW_ONLY"];

/// What `field(...)` says of one that is no parameter in its place.
const SPECIAL_FIELDS: &[&str] = &["init", "kw_only"];

/// Methods of binary operators and comparisons.
pub(super) const OPERATORS: &[&str] = &[
    "__add__",
    "__and__",
    "__divmod__",
    "__eq__",
    "__floordiv__",
    "__ge__",
    "__gt__",
    "__le__",
    "__lshift__",
    "__lt__",
    "__matmul__",
    "__mod__",
    "__mul__",
    "__ne__",
    "__or__",
    "__pow__",
    "__radd__",
    "__rand__",
    "__rdivmod__",
    "__rfloordiv__",
    "__rlshift__",
    "__rmatmul__",
    "__rmod__",
    "__rmul__",
    "__ror__",
    "__rpow__",
    "__rrshift__",
    "__rshift__",
    "__rsub__",
    "__rtruediv__",
    "__rxor__",
    "__sub__",
    "__truediv__",
    "__xor__",
];

/// Whether methods in the body of a class give instances attributes that may be new objects: members of an enumeration
/// have these from the class.
fn makes_objects(body: &[Stmt]) -> bool {
    struct Finder(bool);
    impl Finder {
        fn assigned<'e>(&mut self, targets: impl IntoIterator<Item = &'e Expr>, value: &Expr) {
            let is_attribute = |target: &Expr| match target {
                Expr::Tuple(tuple) => tuple.iter().any(Expr::is_attribute_expr),
                Expr::List(list) => list.iter().any(Expr::is_attribute_expr),
                target => target.is_attribute_expr(),
            };
            self.0 |= targets.into_iter().any(is_attribute) && !makes_nothing(value);
        }
    }
    impl<'a> Visitor<'a> for Finder {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::Assign(assign) => self.assigned(&assign.targets, &assign.value),
                Stmt::AnnAssign(assign) => {
                    assign.value.iter().for_each(|value| self.assigned([&*assign.target], value));
                }
                _ => {}
            }
            visitor::walk_stmt(self, statement);
        }
    }
    let mut finder = Finder(false);
    finder.visit_body(body);
    finder.0
}

/// Whether an expression only gives what is there, or a number or text.
fn makes_nothing(expr: &Expr) -> bool {
    match expr {
        Expr::Name(_) | Expr::FString(_) => true,
        Expr::Attribute(attribute) => makes_nothing(&attribute.value),
        Expr::BinOp(op) => makes_nothing(&op.left) && makes_nothing(&op.right),
        Expr::UnaryOp(op) => makes_nothing(&op.operand),
        Expr::BoolOp(op) => op.values.iter().all(makes_nothing),
        Expr::Compare(_) => true,
        Expr::If(choice) => makes_nothing(&choice.body) && makes_nothing(&choice.orelse),
        Expr::Tuple(tuple) => tuple.iter().all(makes_nothing),
        Expr::Call(call) => call.func.as_name_expr().is_some_and(|callee| {
            matches!(callee.id.as_str(), "abs" | "bool" | "float" | "int" | "len" | "round" | "str")
        }),
        expr => expr.is_literal_expr(),
    }
}

fn is_enumeration(path: &str) -> bool {
    matches!(path, "enum.Enum" | "enum.IntEnum" | "enum.StrEnum" | "enum.Flag" | "enum.IntFlag")
}

/// Bases that give instances no state and no methods that change any.
pub(super) fn is_bare_base(path: &str) -> bool {
    matches!(path, "builtins.object" | "abc.ABC") || is_enumeration(path)
}
