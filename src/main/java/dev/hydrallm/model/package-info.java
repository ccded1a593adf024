/** The packed model: its manifest, its tensors, and the formats they are stored in. */
@NullMarked
package dev.hydrallm.model;

import org.jspecify.annotations.NullMarked;
