/**
 * Serving a packed model: the admission queue, the slots, the one decode loop of a device, and the model's life from
 * loading to draining.
 */
@NullMarked
package dev.hydrallm.serving;

import org.jspecify.annotations.NullMarked;
