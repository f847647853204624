use kale_frontend::tag::{Tag, TagError, step_config};
use kale_model::{Caching, Quantity};

#[test]
fn every_tag_is_read_and_written() {
    let check = |text: &str, written: &str| {
        let tag: Tag = text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(tag.to_string(), written);
        assert_eq!(written.parse::<Tag>().as_ref(), Ok(&tag), "what is written is read again");
    };
    check("imports", "imports");
    check("functions", "functions");
    check("pipeline-parameters", "pipeline-parameters");
    check("parameters", "pipeline-parameters");
    check("pipeline-metrics", "pipeline-metrics");
    check(" skip ", "skip");
    check("step:Load-data_2", "step:Load-data_2");
    check("block:load", "step:load");
    check("prev:load", "prev:load");
    check("notebook:other", "notebook:other");
    check("annotation:a.io/k:http://x:80/", "annotation:a.io/k:http://x:80/");
    check("annotation:k:", "annotation:k:");
    check("label:team:ml", "label:team:ml");
    check("limit:memory:2Gi", "limit:memory:2Gi");
    check("limit:nvidia.com/gpu:1", "limit:nvidia.com/gpu:1");
    check("cpu:500m", "limit:cpu:500m");
    check("memory:2Gi", "limit:memory:2Gi");
    check("gpu:2", "limit:nvidia.com/gpu:2");
    check("image:registry:5000/a/b:1", "image:registry:5000/a/b:1");
    check("cache:enabled", "cache:enabled");
    check("report:disabled", "report:disabled");
    check("secret:db:password:DB_PASSWORD", "secret:db:password:DB_PASSWORD");
    check("retries:2", "retries:2");
    check("timeout:1h30m", "timeout:5400");
    check("timeout:90s", "timeout:90");
}

#[test]
fn foreign_tags_are_none_of_our_business() {
    for text in ["hide-input", "remove_cell", "", "step", "nbgrader:solution", "Skip", "imports:x", "steps:a", "id=3"] {
        assert_eq!(text.parse::<Tag>(), Err(TagError::Foreign), "{text}");
    }
}

#[test]
fn malformed_tags_say_why_and_what_to_write() {
    let check = |text: &str, cause_part: &str, help_part: &str| match text.parse::<Tag>() {
        Err(TagError::Malformed { cause, help }) => {
            assert!(cause.contains(cause_part), "{text}: {cause}");
            assert!(help.contains(help_part), "{text}: {help}");
        }
        other => panic!("{text}: {other:?}"),
    };
    check("step:", "no step", "`step:train`");
    check("step:Load data", "`Load data`", "`step:load_data`");
    check("block:2nd", "`2nd`", "`block:_2nd`");
    check("prev:é", "`é`", "`prev:train`");
    check("notebook:", "no notebook", "`notebook:NAME`");
    check("annotation:k", "missing", "`annotation:KEY:VALUE`");
    check("annotation:a b:v", "`a b`", "letters");
    check("label::v", "missing", "`label:KEY:VALUE`");
    check("label:k:v:w", "`v:w`", "annotation");
    check("limit:memory", "missing", "`limit:RESOURCE:AMOUNT`");
    check("limit:memory:lots", "`lots`", "`2Gi`");
    check("limit:nvidia.com/gpu:half", "`half`", "whole number");
    check("cpu:0", "`0`", "`500m`");
    check("memory:-1", "`-1`", "`512Mi`");
    check("gpu:0", "`0`", "at least 1");
    check("image:", "no image", "python:3.12");
    check("cache:yes", "`yes`", "`cache:enabled`");
    check("report:", "neither", "`report:enabled`");
    check("secret:a:b", "three parts", "`secret:NAME:KEY:ENV`");
    check("secret:A:b:C", "`A` cannot be the secret name", "ENV");
    check("secret:a:b:2C", "`2C` cannot be the environment variable", "ENV");
    check("retries:-1", "`-1`", "`retries:2`");
    check("timeout:soon", "`soon`", "`timeout:30m`");
    check("timeout:0", "`0`", "seconds");
    check("timeout:99999999999999999d", "not a time", "seconds");
}

#[test]
fn config_tags_add_up() {
    let texts = "limit:memory:2Gi limit:cpu:2 limit:nvidia.com/gpu:1 image:a cache:disabled retries:3 timeout:2m \
                 annotation:k:v:w label:l:m secret:a:b:C secret:a:c:C report:enabled";
    let tags: Vec<_> = texts
        .split_whitespace()
        .map(|text| match text.parse() {
            Ok(Tag::Config(tag)) => tag,
            other => panic!("{text}: {other:?}"),
        })
        .collect();
    let config = step_config(&tags);
    assert_eq!(config.resources.memory(), Some(&Quantity("2Gi".into())));
    assert_eq!(config.resources.cpu(), Some(&Quantity("2".into())));
    assert_eq!(config.resources.accelerator(), Some(("nvidia.com/gpu", &Quantity("1".into()))));
    assert_eq!((config.image.as_deref(), config.caching), (Some("a"), Caching::Disabled));
    assert_eq!((config.retries, config.timeout_seconds, config.report), (3, Some(120), Some(true)));
    assert_eq!(config.annotations["k"], "v:w");
    assert_eq!(config.labels["l"], "m");
    assert_eq!(config.secrets.len(), 1);
    assert_eq!(config.secrets[0].key, "c");
}
