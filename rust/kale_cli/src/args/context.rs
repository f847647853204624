//! `context` has verbs of its own.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct ContextArgs {
    #[command(subcommand)]
    pub verb: ContextVerb,
}

#[derive(Subcommand, Debug)]
pub enum ContextVerb {
    /// Write down where a cluster is, and where its credentials are kept
    Add(AddArgs),
    /// List the contexts
    List(ListArgs),
    /// Choose the context that is meant where none is named
    Use(NameArgs),
    /// Say what works and what does not
    Test(TestArgs),
    /// Forget a context
    Remove(NameArgs),
}

#[derive(Args, Debug)]
pub struct AddArgs {
    /// A name for it
    pub name: String,
    /// Where Kubeflow Pipelines answers; behind a gateway it mostly ends with `/pipeline`
    #[arg(long, value_name = "URL")]
    pub kfp: Option<String>,
    /// Whose runs and pipelines: your profile, where the server has several users
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Where the credentials are kept: `none`, `token-env:VAR`, `token-file:PATH`, `cookie-env:VAR`, `in-cluster`,
    /// `kubeconfig` or `kubeconfig:CONTEXT` [default: none]
    #[arg(long, value_name = "HOW")]
    pub auth: Option<String>,
    /// Certificates (PEM) of an authority to trust besides those of the system
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Do not verify the server's certificate: whoever is in between can read and change everything
    #[arg(long)]
    pub insecure_skip_verify: bool,
    /// The proxy to go through [default: HTTPS_PROXY or HTTP_PROXY; NO_PROXY counts in both cases]
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// Where people look at runs, if that is elsewhere than `--kfp`
    #[arg(long, value_name = "URL")]
    pub ui: Option<String>,
    /// Where Kubeflow Pipelines itself is installed, for `kubeconfig` and `in-cluster` [default: kubeflow]
    #[arg(long, value_name = "NS")]
    pub kfp_namespace: Option<String>,
    /// Take the place of a context of this name
    #[arg(long)]
    pub replace: bool,
    /// Print one JSON document: the context
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document: the contexts
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct NameArgs {
    /// The context
    pub name: String,
    /// Print one JSON document: the context
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct TestArgs {
    /// The context [default: the current one]
    pub name: Option<String>,
    /// Print one JSON document: what was found
    #[arg(long)]
    pub json: bool,
}
