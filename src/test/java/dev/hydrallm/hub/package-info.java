@NullMarked
package dev.hydrallm.hub;

import org.jspecify.annotations.NullMarked;
