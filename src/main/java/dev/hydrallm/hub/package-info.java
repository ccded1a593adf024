/**
 * Models from a Hugging Face hub: what a repository holds, fetched and verified into a cache that huggingface_hub's
 * programs share. Start with {@link dev.hydrallm.hub.Hub}.
 */
@NullMarked
package dev.hydrallm.hub;

import org.jspecify.annotations.NullMarked;
