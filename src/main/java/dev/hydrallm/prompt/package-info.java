/** Text to token ids and back: tokenizer, chat templates, conversations, whole characters and stop strings. */
@NullMarked
package dev.hydrallm.prompt;

import org.jspecify.annotations.NullMarked;
