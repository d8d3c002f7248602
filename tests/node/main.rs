//! Stories on a real node: kubelet, containerd, pods, logs. They run when `JOCH_NODE=1` says so.

mod crontask;
mod human;
mod task;
