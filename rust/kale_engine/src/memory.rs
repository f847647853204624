//! How much memory there is for steps, and how much each is expected to need.

use std::collections::BTreeMap;
use std::fs;

use kale_model::{Pipeline, Quantity, StepId};

/// Bytes per step: its `memory:` limit, else what it took at its peak when it last ran; 0 when nobody knows.
pub fn needs(pipeline: &Pipeline, peaks: &BTreeMap<String, u64>) -> Vec<u64> {
    let need = |id: StepId| {
        let step = pipeline.step(id);
        let known = || peaks.get(step.name.as_str()).copied();
        step.config.resources.memory().and_then(in_bytes).or_else(known).unwrap_or(0)
    };
    pipeline.step_ids().map(need).collect()
}

pub fn in_bytes(quantity: &Quantity) -> Option<u64> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    quantity.value().map(|bytes| bytes as u64)
}

/// Bytes that are free now, on the machine and below the limit that a container sets. `None`: the system does not tell.
pub fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    Some(below_container_limit().map_or(free, |room| room.min(free)))
}

fn below_container_limit() -> Option<u64> {
    let cgroup = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let read = |file: &str| -> Option<u64> {
        fs::read_to_string(format!("/sys/fs/cgroup{path}/{file}")).ok()?.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}
