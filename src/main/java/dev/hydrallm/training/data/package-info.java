/**
 * What there is to learn from: conversations and texts are read, cut into tokens with labels, and kept in a token file; or answers are
 * had from the base itself.
 */
@NullMarked
package dev.hydrallm.training.data;

import org.jspecify.annotations.NullMarked;
