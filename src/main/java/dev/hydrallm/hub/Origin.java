package dev.hydrallm.hub;

import java.net.URI;
import java.util.Locale;

/** Scheme, host and port of an address: who gets to see what is sent there. */
record Origin(String scheme, String host, int port) {
    static Origin of(URI address) {
        String scheme = lowerCase(address.getScheme());
        int port = address.getPort() >= 0 ? address.getPort() : scheme.equals("https") ? 443 : 80;
        return new Origin(scheme, lowerCase(address.getHost()), port);
    }

    static boolean isHttp(URI address) {
        String scheme = lowerCase(address.getScheme());
        return scheme.equals("https") || scheme.equals("http");
    }

    private static String lowerCase(String text) {
        return text == null ? "" : text.toLowerCase(Locale.ROOT);
    }
}
