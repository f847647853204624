//! Faults that are planted on purpose, so that tests can show that they find faults.
//!
//! With the feature `planted-faults`, which no build for users has, `KALE_PLANTED_FAULT=EarlyBinding` puts that fault into
//! the compiler; without it, [`planted`] is `false` and costs nothing. `tests/fuzz/test_faults.py` measures how long
//! random notebooks take to find each.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        /// Every fault by its name.
        pub const FAULTS: &[(&str, Fault)] = &[$((stringify!($name), Fault::$name),)*];
    };
}

faults! {
    /// `b = a` makes a new object.
    NoAliasOfNames,
    /// A container shares nothing with what is put into it.
    NoAliasInContainers,
    /// The globals that a function reads are not looked up when it is called.
    EarlyBinding,
    /// A draw leaves the state of the generator as it was.
    LostRng,
    /// `del` deletes nothing.
    DroppedDel,
    /// A function does not hold the defaults of its parameters.
    MissedDefault,
    /// A closure does not hold the variables around it.
    MissedCapture,
    /// Methods of libraries and builtins change nothing.
    MissedMethodMutation,
    /// `a += b` changes no object.
    MissedAugmentedMutation,
    /// `a[0] = b` changes nothing.
    MissedItemStore,
    /// `a.x = b` changes nothing.
    MissedAttributeStore,
    /// A function changes none of its arguments.
    MissedArgumentMutation,
    /// A function changes no object of the module.
    MissedGlobalMutation,
    /// What a branch binds is bound for certain.
    MayAsMust,
    /// `global` is not read.
    GlobalIgnored,
    /// Arrays share no buffers.
    ViewMissed,
    /// Who reads a file need not wait for who writes it.
    FileReadAfterWriteMissed,
    /// Who writes a file need not wait for who reads it.
    FileWriteAfterReadMissed,
    /// Names of one alias group travel apart.
    AliasGroupSplit,
    /// Nothing asks which object one is.
    IdentityMissed,
    /// Decorators do nothing.
    DecoratorMissed,
    /// The variable of a comprehension is the one outside.
    ComprehensionLeak,
    /// A handler sees what was before the `try`.
    HandlerStateMissed,
    /// A loop is gone through once.
    OneRound,
    /// A parameter keeps the value that the notebook gives it.
    ParameterAsConstant,
    /// Settings are made in their own step only.
    SettingNotRepeated,
    /// `:=` binds nothing.
    WalrusMissed,
    /// What a function returns is always new.
    ReturnIsFresh,
    /// Operators, truth tests and formatting call no methods.
    OperatorMissed,
    /// A name that is perhaps bound anew does not need its old value.
    PassThroughDropped,
    /// Functions in containers are not called.
    CallbackMissed,
    /// What has changed is made again from its source.
    StaleDefinition,
    /// Methods of `super()` do nothing to the object.
    SuperMissed,
    /// Blocks that are left in the middle were gone through, or not begun.
    InterruptionMissed,
    /// What is made again stays, also under names that the notebook has deleted.
    DeletionMissed,
}

#[cfg(not(feature = "planted-faults"))]
pub const fn planted(_: Fault) -> bool {
    false
}

/// Whether this fault was chosen.
#[cfg(feature = "planted-faults")]
pub fn planted(fault: Fault) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Fault>> = std::sync::OnceLock::new();
    let choose = || {
        let name = std::env::var("KALE_PLANTED_FAULT").ok()?;
        let known = FAULTS.iter().find(|(known, _)| *known == name);
        Some(known.unwrap_or_else(|| panic!("`{name}` is no fault")).1)
    };
    *CHOSEN.get_or_init(choose) == Some(fault)
}
