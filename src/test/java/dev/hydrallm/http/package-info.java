@NullMarked
package dev.hydrallm.http;

import org.jspecify.annotations.NullMarked;
