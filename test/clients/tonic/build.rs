//! Generates the client from the descriptor set of the repository, so that the build needs no protoc.
use prost::Message;

const DESCRIPTOR_SET: &str = "../../../proto/descriptor-set.binpb";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed={DESCRIPTOR_SET}");
    let mut set = prost_types::FileDescriptorSet::decode(std::fs::read(DESCRIPTOR_SET)?.as_slice())?;
    set.file.retain(|file| file.package() == "pannier.v1");
    tonic_prost_build::configure().build_server(false).compile_fds(set)?;
    Ok(())
}
