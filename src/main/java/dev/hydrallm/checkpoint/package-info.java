/**
 * Checkpoints as others write them (safetensors, torch zip files, Hugging Face and Medusa configurations), and the packer
 * that turns them into a {@link dev.hydrallm.model.PackedModel}. Nothing in a checkpoint is ever run.
 */
@NullMarked
package dev.hydrallm.checkpoint;

import org.jspecify.annotations.NullMarked;
