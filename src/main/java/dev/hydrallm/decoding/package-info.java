/**
 * The heart: draft trees, acceptance, the speculative loop, stop rules and statistics, written against the port
 * {@link dev.hydrallm.decoding.Engine}. JDK only.
 */
@NullMarked
package dev.hydrallm.decoding;

import org.jspecify.annotations.NullMarked;
