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
    #[command(after_help = "\
Nothing is sent: `kale-rs context test` looks whether it works. `kale-rs context --help` has the
ways to authenticate.

Examples:
  kale-rs context add dev --kfp https://kf.example.org/pipeline --namespace team \\
      --auth token-env:KFP_TOKEN
  kale-rs context add prod --namespace team --auth kubeconfig:prod --overlay prod.yaml
  kale-rs context add near --kfp http://localhost:8888 --ui http://localhost:8080
                                               two ports that kubectl forwards")]
    Add(AddArgs),
    /// List the contexts
    #[command(after_help = "\
The one in use has a star.

Examples:
  kale-rs context list
  kale-rs context list --json")]
    List(ListArgs),
    /// Choose the context that is meant where none is named
    #[command(after_help = "\
`run`, `schedule` and `explain-overlay` follow it; `compile` does not.

Examples:
  kale-rs context use dev
  kale-rs context use local                    this machine again")]
    Use(NameArgs),
    /// Say what works and what does not
    #[command(after_help = "\
From near to far: credentials, network, TLS, the server and its version, whose runs may be seen.
Then the services beside it: `pages` gives out values, `metadata` knows metrics and where values
are. Without these two notebooks run, and `--gate`, `show`, `artifact` and `restore` know less.

Examples:
  kale-rs context test
  kale-rs context test dev --json")]
    Test(TestArgs),
    /// Forget a context
    #[command(after_help = "\
Its cluster, and the runs there, stay as they are.

Examples:
  kale-rs context remove dev")]
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
    /// A file with what this cluster wants otherwise than notebooks say: `explain-overlay` has its form
    #[arg(long, value_name = "FILE")]
    pub overlay: Option<PathBuf>,
    /// Where people look at runs, if that is elsewhere than `--kfp`: metrics and values are asked for there, too, with the
    /// token or cookie of `--auth`, but never with what is for Kubernetes (`kubeconfig`, `in-cluster`)
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
