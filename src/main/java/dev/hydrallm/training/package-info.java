/**
 * Training of draft heads: data, the loop around a device that learns, checkpoints, reports. The device itself is the engine's, behind
 * {@link dev.hydrallm.training.Learner}.
 */
@NullMarked
package dev.hydrallm.training;

import org.jspecify.annotations.NullMarked;
