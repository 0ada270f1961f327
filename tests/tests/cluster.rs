//! Real processes, real disks, real sockets: what an operator would see. Everything runs on loopback with free ports and
//! in temporary folders, and every process that is started is ended by its id.

mod adversity;
mod amnesia;
mod audit;
mod backups;
mod bad_disk;
mod bad_input;
mod bench;
mod committee;
mod corruption;
mod cut_disk;
mod dice;
mod disk;
mod flood;
mod full_disk;
mod hardship;
mod joining;
mod kills;
mod lies;
mod load;
mod long_run;
mod mounts;
mod network;
mod nodes;
mod observer;
mod power;
mod process;
mod pruning;
mod repair;
mod rpc;
mod snapshots;
mod streets;
mod survival;
mod testnet;
mod why;
mod window;
