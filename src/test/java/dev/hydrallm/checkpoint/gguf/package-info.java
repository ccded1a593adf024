@NullMarked
package dev.hydrallm.checkpoint.gguf;

import org.jspecify.annotations.NullMarked;
