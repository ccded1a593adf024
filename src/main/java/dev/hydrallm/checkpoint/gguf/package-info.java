/** GGUF files: the strict parser, and what their metadata says in Hugging Face's terms. */
@NullMarked
package dev.hydrallm.checkpoint.gguf;

import org.jspecify.annotations.NullMarked;
