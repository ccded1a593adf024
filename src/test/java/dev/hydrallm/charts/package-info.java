@NullMarked
package dev.hydrallm.charts;

import org.jspecify.annotations.NullMarked;
