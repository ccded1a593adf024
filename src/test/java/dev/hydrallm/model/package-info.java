@NullMarked
package dev.hydrallm.model;

import org.jspecify.annotations.NullMarked;
