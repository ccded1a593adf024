/** Plain charts as SVG text, for reports that are one file: light and dark, no script, nothing from elsewhere. */
@NullMarked
package dev.hydrallm.charts;

import org.jspecify.annotations.NullMarked;
