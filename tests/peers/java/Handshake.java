// A TLS server that asks for a certificate, and a client of it, in one process:
// java Handshake.java KEY_STORE SERVER_TRUST CLIENT_TRUST PASSWORD. Prints what each saw of the other.
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.*;

public class Handshake {
    public static void main(String[] arguments) throws Exception {
        char[] password = arguments[3].toCharArray();
        SSLServerSocket listening = (SSLServerSocket) context(arguments[0], arguments[1], password)
                .getServerSocketFactory().createServerSocket(0);
        listening.setNeedClientAuth(true);
        Thread server = new Thread(() -> {
            try (SSLSocket accepted = (SSLSocket) listening.accept()) {
                accepted.startHandshake();
                System.out.println("server saw " + name(accepted.getSession()));
                accepted.getOutputStream().write(1);
            } catch (Exception problem) {
                System.out.println("server refused: " + problem.getMessage());
            }
        });
        server.start();
        SSLContext client = context(arguments[0], arguments[2], password);
        try (SSLSocket socket = (SSLSocket) client.getSocketFactory()
                .createSocket("localhost", listening.getLocalPort())) {
            socket.startHandshake();
            socket.getInputStream().read();
            System.out.println("client saw " + name(socket.getSession()));
        } catch (Exception problem) {
            System.out.println("client refused: " + problem.getMessage());
        }
        server.join();
    }

    private static SSLContext context(String keys, String trust, char[] password) throws Exception {
        KeyManagerFactory own = KeyManagerFactory.getInstance("PKIX");
        own.init(store(keys, password), password);
        TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX");
        trusted.init(store(trust, password));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trusted.getTrustManagers(), null);
        return context;
    }

    private static KeyStore store(String file, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream stream = new FileInputStream(file)) {
            store.load(stream, password);
        }
        return store;
    }

    private static Object name(SSLSession session) throws Exception {
        X509Certificate leaf = (X509Certificate) session.getPeerCertificates()[0];
        return leaf.getSubjectAlternativeNames().iterator().next().get(1);
    }
}
